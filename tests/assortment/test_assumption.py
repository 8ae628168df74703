import numpy as np
import pytest

from recsys.assortment.assumption import Arithmetic, Assumptions, Input, Range, input_of
from recsys.errors import UsageError


def test_the_sources_arithmetic_exactly() -> None:  # AC-K3
    assert Arithmetic().per_order == 17.5
    assert Arithmetic(single_share=0.8).per_order == 21.875
    assert round(Arithmetic().profit_share, 4) == 0.2857
    assert Arithmetic().profit_share == 1_000_000 / 3_500_000


@pytest.mark.parametrize("given", [Input(0.3, 0.05), Input(12.0, 4.0, "lognormal")])
def test_draws_have_the_stated_mean_and_spread(given) -> None:
    draws = given.draw(np.random.default_rng(0), 200_000)
    assert draws.mean() == pytest.approx(given.mean, rel=0.01)
    assert draws.std() == pytest.approx(given.sd, rel=0.02)


def test_inputs_from_text() -> None:
    assert input_of("0.1") == Input(0.1)
    assert input_of("0.1,0.02") == Input(0.1, 0.02)
    for wrong in ("10", "x", "", "0.1,2", "0.5,0.6", "-0.1"):
        with pytest.raises(UsageError):
            input_of(wrong)


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(UsageError, match=r"0\.1, not 10"):
        Arithmetic(uptake=10)


def test_assumptions_are_stated_in_words() -> None:
    words = Assumptions(cannibalised=Input(0.1, 0.05), hit_rate=0.12).stated()
    assert words["uptake"] == "0.1 (fixed, assumed)"
    assert words["cannibalised"] == "0.1 +- 0.05 (beta)"
    assert words["hit_rate"] == "0.12 (measured offline)"


def test_a_range_holds_nine_tenths() -> None:
    found = Range.of(np.arange(1001.0))
    assert (found.middle, found.low, found.high) == pytest.approx((500.0, 50.0, 950.0))
