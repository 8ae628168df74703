import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.scorers import terms

COLUMNS = {"prices": np.array([2.0, 4.0, 8.0]), "hpwt": np.array([1.0, np.e, 1.0])}


def test_a_formula_is_terms_in_order() -> None:
    assert terms.parse("1 + prices + I(prices**2) + log(hpwt)") == ("1", "prices", "prices^2", "log(hpwt)")
    assert terms.parse("0 + prices") == ("prices",)
    assert terms.parse("") == ()


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("1", [1, 1, 1]),
        ("prices", [2, 4, 8]),
        ("prices^2", [4, 16, 64]),
        ("1/prices", [0.5, 0.25, 0.125]),
        ("log(hpwt)", [0, 1, 0]),
        ("prices*log(hpwt)", [0, 4, 0]),
    ],
)
def test_a_term_is_a_column(term: str, expected: list[float]) -> None:
    np.testing.assert_allclose(terms.column(term, COLUMNS, 3), expected, atol=1e-15)


def test_an_unknown_column_and_a_number_that_is_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="no such column"):
        terms.column("sugar", COLUMNS, 3)
    with pytest.raises(ConfigError, match="1 of 3 values"):
        terms.column("log(x)", {"x": np.array([0.0, 1.0, 2.0])}, 3)
    with pytest.raises(ConfigError, match="twice"):
        terms.parse("prices + prices")


def test_names_in_a_term_leave_functions_out() -> None:
    assert terms.names_in("prices*log(hpwt)") == {"prices", "hpwt"}
    assert terms.names_in("log_size") == {"log_size"}
