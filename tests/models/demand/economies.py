"""Panels with known answers: pyblp's own data, orange juice, simulated markets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.data.instruments import Columns, cost_shifters, differentiation, hausman
from recsys.models.demand.agents import Agents, agents_from
from recsys.models.demand.panel import Panel
from recsys.models.demand.read import panel_from

SHARED = Path(__file__).parents[4] / "shared" / "data"
OUNCES = 64  # the unit of the juice prices is an ounce; a carton holds 64


def nevo() -> Panel:
    """Fake cereal: 94 markets x 24 products, shipped with pyblp."""
    import pyblp

    return panel_from(pl.read_csv(pyblp.data.NEVO_PRODUCTS_LOCATION))


def nevo_agents(panel: Panel) -> Agents:
    """20 people per market with income, age and children."""
    import pyblp

    table = pl.read_csv(pyblp.data.NEVO_AGENTS_LOCATION).drop("city_ids", "quarter")
    return agents_from(table, panel.space.markets, 4)


def automobiles() -> tuple[Panel, Agents]:
    """U.S. cars 1971-1990, 2,217 rows in 20 markets, and 200 people a year; shipped with pyblp."""
    import pyblp

    panel = panel_from(pl.read_csv(pyblp.data.BLP_PRODUCTS_LOCATION).rename({"car_ids": "product_ids"}))
    return panel, agents_from(pl.read_csv(pyblp.data.BLP_AGENTS_LOCATION), panel.space.markets, 5)


def orange_juice() -> Panel:
    """83 stores x 121 weeks x 11 brands; market size = 2 x the 95th percentile of the store's weekly volume."""
    file = SHARED / "orangejuice" / "yx.csv.gz"
    if not file.exists():
        pytest.skip("the orange juice panel lies beside the repository, in ../shared/data")
    rows = pl.read_csv(file)
    prices = rows.select(f"price{b}" for b in range(1, 12)).to_numpy()
    price = prices[np.arange(len(rows)), rows["brand"].to_numpy() - 1]
    rows = rows.with_columns(prices=pl.Series(price * OUNCES), units=pl.col("logmove").exp())
    volume = rows.group_by("store", "week").agg(pl.col("units").sum())
    size = volume.group_by("store").agg(size=2 * pl.col("units").quantile(0.95, "linear"))
    rows = rows.join(size, on="store").with_columns(shares=pl.col("units") / pl.col("size"))
    full = rows.group_by("store", "week").agg(inside=pl.col("shares").sum(), brands=pl.len())
    rows = rows.join(full.filter(pl.col("inside") < 1, pl.col("brands") >= 2), on=["store", "week"])
    rows = rows.sort("store", "week", "brand")
    code = {c: rows[c].rank("dense").to_numpy().astype(np.int32) - 1 for c in ("store", "week", "brand")}
    z = _with_cost(hausman(rows["prices"].to_numpy(), code["brand"], code["week"], code["store"]), rows)
    table = rows.select(
        market_ids=pl.format("{}@{}", *(pl.col(c).cast(pl.String).str.zfill(3) for c in ("store", "week"))),
        product_ids=pl.col("brand").cast(pl.String).str.zfill(2),
        shares="shares", prices="prices", market_size="size", deal="deal", feature="feat",
        demand_instruments_hausman=pl.Series(z.values[:, 0]), demand_instruments_cost=pl.Series(z.values[:, 1]),
    )  # fmt: skip
    return panel_from(table)


def _with_cost(z: Columns, rows: pl.DataFrame) -> Columns:
    return z.joined(cost_shifters((rows["prices"] * (1 - rows["profit"] / 100)).to_numpy()))


def simulated(seed: int, markets: int) -> Panel:
    """pyblp's own simulation: 5 firms, 12 to 18 products a market, prices set in equilibrium, corr(xi, omega) = 0.6.

    Truth: constant 1, price -2, x 1.5 with standard deviation 1.2 between people.
    """
    import pyblp

    pyblp.options.verbose = False
    rng = np.random.default_rng(seed)
    sizes = rng.integers(12, 19, markets)
    market = np.repeat(np.arange(markets), sizes).astype(np.int32)
    firm = np.concatenate([rng.permutation(np.arange(18) % 5)[:n] for n in sizes]).astype(np.int32)
    n = len(market)
    data = {"market_ids": market, "firm_ids": firm, "x": rng.uniform(0, 2, n), "z": rng.uniform(0, 1, n)}
    parts = (pyblp.Formulation("1 + prices + x"), pyblp.Formulation("0 + x"), pyblp.Formulation("1 + x + z"))
    simulation = pyblp.Simulation(
        parts, data, beta=[1, -2, 1.5], sigma=1.2, gamma=[2, 0.5, 0.8], xi_variance=0.3, omega_variance=0.3,
        correlation=0.6, integration=pyblp.Integration("product", 7), seed=seed,
    )  # fmt: skip
    found = simulation.replace_endogenous().product_data
    x = data["x"][:, None]
    z = cost_shifters(data["z"])
    for local in (True, False):
        z = z.joined(differentiation(x, ("x",), market, firm, local))
    columns = {"market_ids": [f"{m:03d}" for m in market], "firm_ids": firm, "x": data["x"]}
    columns |= {"shares": found["shares"].ravel(), "prices": found["prices"].ravel()}
    columns |= {f"demand_instruments{i}": column for i, column in enumerate(z.values.T)}
    return panel_from(pl.DataFrame(columns))
