import json

import numpy as np
import pytest
from typer.testing import CliRunner

from recsys.cli import build

CONFIG = """
[shop]
name = "shop"
[orders]
time_format = "iso"
[orders.columns]
order = "order"
product = "product"
seller = "seller"
quantity = "units"
price = "price"
time = "time"
"""


@pytest.fixture
def shop(tmp_path):
    rng, rows = np.random.default_rng(0), ["order,product,seller,units,price,time"]
    for order in range(400):
        for product in rng.permutation(6)[: 1 + (order % 3 == 0)]:
            rows.append(
                f"o{order},p{product},s{product % 2},1,{rng.uniform(5, 25):.2f},2024-03-{1 + order % 28:02d}T10:00:00"
            )
    (tmp_path / "orders.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "recsys.toml").write_text(CONFIG)
    return tmp_path


def test_a_shops_own_orders_are_read_through_the_front_door(shop) -> None:
    out = shop / "money.json"
    command = ["opportunity", "--file", shop / "orders.csv", "--config", shop / "recsys.toml", "--hit-rate", 0.2,
               "--uptake", "0.1,0.02", "--json", out]  # fmt: skip
    found = CliRunner().invoke(build(), list(map(str, command)))
    assert found.exit_code == 0, found.output
    answer = json.loads(out.read_text())
    rows = {row["scope"]: row for row in answer["rows"]}
    assert set(rows) == {"shop", "s0", "s1"}
    assert rows["shop"]["orders"] == 400
    assert rows["shop"]["single_orders"] == 266
    assert rows["shop"]["pairs"] == 134
    assert rows["shop"]["within_reach"]["middle"] == pytest.approx(0.2 * rows["shop"]["sales"]["middle"])
    assert answer["assumptions"]["uptake"] == {"mean": 0.1, "sd": 0.02, "kind": "beta"}
    assert "uptake 0.1 +- 0.02 (beta)" in found.output
    assert "hit_rate 0.2 (measured offline)" in found.output
    assert "orders per arm" in found.output
