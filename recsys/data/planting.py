"""Draw the truth of a marketplace: people and their tastes, shocks, costs, prices, offers, the logging policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.contract import F32, F64, I32, Events, Flags, Index
from recsys.data.calibration import CONVERSION, calibrate
from recsys.data.marketplace import WEEK, Experiments, Logging, MarketTruth, Size
from recsys.data.shelves import KINDS, Shelves, draw_complements, draw_loadings, draw_shelves

START = 1_736_121_600  # Monday 2025-01-06 00:00 UTC
ALPHA, ALPHA_SPREAD = 0.12, 0.02  # utility lost per unit of currency: mean and standard deviation over people
GUESTS = 0.15  # people who never sign in, per customer
SHOCK = 0.30  # standard deviation of the demand shock
GREED = 0.6  # price rises by this much per standard deviation of the demand shock: the endogeneity
TRIAL_EVERY, TRIAL_FIRST, TRIAL_SHARE = 8, 3, 0.2  # price experiments: weeks 3, 11, ... on a fifth of the cells
SPREAD = {"type": 0.4, "theme": 0.4, "colour": 0.15, "latent": 0.25}  # standard deviations of tastes
FOND = 3.5  # utility of a favourite theme
SHELF = 36  # products a week's slates are drawn from
REGIONS = ("north", "south", "east", "west", "islands", "overseas", "capital", "border")
AGES = ("18-24", "25-34", "35-49", "50-64", "65+")


@dataclass(frozen=True)
class Planted:
    """What `plant` hands to the choice process: the truth so far, and what people and products look like."""

    truth: MarketTruth
    shelves: Shelves
    age: I32  # [p]


def plant(size: Size) -> Planted:
    """Draw a truth; `truth.purchases` is still empty. Deterministic by `size.seed`."""
    rng = np.random.default_rng(size.seed)
    shelves = draw_shelves(size, rng)
    names, loading = draw_loadings(shelves, rng)
    people = size.customers + max(1, int(size.customers * GUESTS))
    age, taste = _draw_tastes(people, names, rng)
    segment = rng.choice(size.segments, people, p=_shares(size.segments, 0.4)).astype(np.int32)
    shock = _draw_shocks(size, rng)
    quality = rng.normal(0, 0.7, size.products)
    cost = _draw_costs(size, shelves, rng)
    planned = _draw_prices(size, shelves, cost, shock, quality, rng)
    price, trials = _try_prices(planned, rng)
    offered = _draw_offers(size, rng)
    truth = MarketTruth(
        customers=Index.of(f"C{i:06d}" for i in range(size.customers)),
        products=Index.of(f"P{j:05d}" for j in range(size.products)),
        sellers=Index.of(f"seller-{k:03d}" for k in range(size.sellers)),
        segments=Index.of(REGIONS[k] if k < len(REGIONS) else f"region-{k:02d}" for k in range(size.segments)),
        start=START,
        days=size.days,
        segment=segment,
        rate=_draw_rates(size, people, rng),
        joined=np.where(rng.random(people) < 0.2, rng.integers(0, int(size.days * 0.9), people), 0).astype(np.int32),
        taste=taste,
        loading=loading,
        taste_names=names,
        price_coefficient=_draw_price_coefficients(size, segment, rng),
        quality=(quality + ALPHA * shelves.typical("price") + np.log(shelves.typical("weight"))).astype(np.float32),
        segment_effect=_draw_segment_effects(size, loading, names, rng),
        repeat_effect=np.where(shelves.typical("again") > 0, 0.5, -0.9).astype(np.float32),
        shock=shock,
        price=price,
        cost=cost,
        offered=offered,
        seller=shelves.seller,
        design=shelves.design,
        complements=draw_complements(shelves, rng),
        enough=1.0,
        elasticity=np.empty((0, 0)),
        experiments=trials,
        logging=_draw_logging(size, offered, taste, rng),
        purchases=Events.empty(size.customers),
    )
    return Planted(calibrate(truth, shelves.target), shelves, age)


def _shares(n: int, power: float) -> F64:
    weight = np.arange(1, n + 1, dtype=np.float64) ** -power
    return np.asarray(weight / weight.sum())


def _draw_tastes(people: int, names: tuple[str, ...], rng: np.random.Generator) -> tuple[I32, F32]:
    """Tastes [p, f] around a mean that depends on the age band, and two themes a person is fond of."""
    scale = np.array([SPREAD[name.split(":")[0]] for name in names])
    age = rng.choice(len(AGES), people, p=[0.2, 0.3, 0.25, 0.15, 0.1]).astype(np.int32)
    of_age = rng.normal(0, 0.7, (len(AGES), len(names)))
    taste = (of_age[age] + rng.normal(0, 1, (people, len(names)))) * scale
    themes = np.flatnonzero([name.startswith("theme:") for name in names])
    keen = 1.5 * of_age[age][:, themes] + rng.gumbel(size=(people, len(themes)))
    favourites = themes[np.argsort(-keen, axis=1)[:, :2]]
    taste[np.arange(people)[:, None], favourites] += FOND
    return age, taste.astype(np.float32)


def _draw_price_coefficients(size: Size, segment: I32, rng: np.random.Generator) -> F32:
    """Normal around a mean that differs by a fifth between the least and the most careful region [p]."""
    mean = ALPHA * np.linspace(0.9, 1.1, size.segments)[segment]
    return np.maximum(rng.normal(mean, ALPHA_SPREAD), 0.02).astype(np.float32)


def _draw_segment_effects(size: Size, loading: F32, names: tuple[str, ...], rng: np.random.Generator) -> F32:
    """[s, m] what a region likes more or less: by kind and by theme."""
    known = np.array([name.startswith(("type:", "theme:")) for name in names])
    return np.asarray(rng.normal(0, 0.45, (size.segments, len(names))) * known @ loading.T, dtype=np.float32)


def _walk(shape: tuple[int, ...], keep: float, rng: np.random.Generator) -> F64:
    """Stationary AR(1) of variance 1 along the last axis."""
    steps = rng.normal(0, 1, shape)
    for week in range(1, shape[-1]):
        steps[..., week] = keep * steps[..., week - 1] + np.sqrt(1 - keep**2) * steps[..., week]
    return steps


def _draw_shocks(size: Size, rng: np.random.Generator) -> F32:
    """Demand shocks [s, m, w]: half of the variance common to all segments."""
    common = _walk((1, size.products, size.weeks), 0.6, rng)
    own = _walk((size.segments, size.products, size.weeks), 0.6, rng)
    return np.asarray(SHOCK * np.sqrt(0.5) * (common + own), dtype=np.float32)


def _draw_costs(size: Size, shelves: Shelves, rng: np.random.Generator) -> F32:
    """Unit costs [m, w]: the blank's price moves by kind and by the seller's supplier, printing does not."""
    by_kind = 0.16 * _walk((len(KINDS), size.weeks), 0.85, rng)
    by_seller = 0.12 * _walk((size.sellers, size.weeks), 0.85, rng)
    blank = shelves.typical("blank")[:, None] * np.exp(by_kind[shelves.kind] + by_seller[shelves.seller])
    return (blank + shelves.typical("print")[:, None]).astype(np.float32)


def _draw_prices(size: Size, shelves: Shelves, cost: F32, shock: F32, quality: F64, rng: np.random.Generator) -> F32:
    """Planned prices [s, m, w]: cost times mark-up, dearer where quality and the demand shock are high.

    A seller reviews a product's price in about every second week and leaves it alone otherwise.
    """
    typical = shelves.typical("price")
    markup = typical / (shelves.typical("blank") + shelves.typical("print")) * np.exp(0.08 * quality)
    region = 1 + 0.03 * rng.normal(0, 1, size.segments)[:, None] + 0.02 * _walk((size.segments, size.weeks), 0.8, rng)
    wanted = (markup[:, None] * cost)[None] * region[:, None, :] + GREED / SHOCK * shock
    review = rng.random((size.products, size.weeks)) < 0.5
    review[:, 0] = True
    latest = np.maximum.accumulate(np.where(review, np.arange(size.weeks), 0), axis=1)
    kept = np.take_along_axis(wanted, np.broadcast_to(latest, wanted.shape), axis=2)
    return np.maximum(np.round(kept, 2), 0.5).astype(np.float32)


def _try_prices(planned: F32, rng: np.random.Generator) -> tuple[F32, Experiments]:
    """Charged prices [s, m, w] and the experiments behind them; their true response is computed later."""
    weeks = planned.shape[2]
    trial = rng.random(planned.shape) < TRIAL_SHARE
    trial[:, :, [w for w in range(weeks) if w < TRIAL_FIRST or (w - TRIAL_FIRST) % TRIAL_EVERY]] = False
    factor = np.where(trial, rng.choice([0.8, 0.9, 1.1, 1.2], planned.shape), 1.0)
    charged = np.round(planned * factor, 2).astype(np.float32)
    s, j, w = (at.astype(np.int32) for at in np.nonzero(trial))
    before, after = planned[s, j, w].astype(np.float64), charged[s, j, w].astype(np.float64)
    return charged, Experiments(j, s, w, before, after, np.full(len(j), np.nan))


def _draw_offers(size: Size, rng: np.random.Generator) -> Flags:
    """[m, days] on sale: launches every week, some discontinued, short stock-outs."""
    m, days = size.products, np.arange(size.days)
    launch = np.where(rng.random(m) < 0.25, WEEK * rng.integers(1, size.weeks, m), 0)
    end = np.where(rng.random(m) < 0.1, rng.integers(size.days // 3, size.days, m), size.days)
    offered = (days >= launch[:, None]) & (days < end[:, None])
    for _ in range(max(1, size.days // 60)):
        gone, length = rng.integers(0, size.days, m), rng.integers(3, 10, m)
        out = (rng.random(m) < 0.35)[:, None] & (days >= gone[:, None]) & (days < (gone + length)[:, None])
        offered &= ~out
    return np.asarray(offered)


def _draw_rates(size: Size, people: int, rng: np.random.Generator) -> F64:
    """Visits per day [p]: gamma distributed, so a few come often."""
    mean = size.orders_per_customer / CONVERSION / size.days
    return np.asarray(rng.gamma(2.0, mean / 2.0, people))


def _draw_logging(size: Size, offered: Flags, taste: F32, rng: np.random.Generator) -> Logging:
    """Slates of five from a weekly shelf, three arms, every propensity known."""
    wide = min(SHELF, size.products // 3)
    shelf = np.empty((size.weeks, wide), dtype=np.int32)
    for week in range(size.weeks):
        whole = np.flatnonzero(offered[:, week * WEEK : (week + 1) * WEEK].all(axis=1))
        shelf[week] = np.sort(rng.choice(whole, wide, replace=False))
    return Logging(
        arms=("random", "popular", "personal"),
        traffic=np.array([0.3, 0.35, 0.35]),
        shelf=shelf,
        popularity=np.zeros(shelf.shape),  # filled in once qualities are calibrated
        guess=(0.6 * taste + 0.5 * rng.normal(0, 1, taste.shape)).astype(np.float32),
        explore=0.2,
        examine=np.array([0.9, 0.7, 0.55, 0.45, 0.35]),
        appeal=np.array([0.0, 0.6]),  # so is the intercept
    )
