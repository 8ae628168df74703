"""Draw the truth of a marketplace: sellers, designs and their variants, people, prices and shocks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import brentq, fsolve

from recsys.contract import F32, F64, I32, Events, Flags, Index
from recsys.data.marketplace import (
    WEEK,
    Experiments,
    Logging,
    MarketTruth,
    Size,
    own_elasticities,
    people_of,
    utilities,
)

START = 1_736_121_600  # Monday 2025-01-06 00:00 UTC
ALPHA, ALPHA_SPREAD = 0.12, 0.02  # utility lost per unit of currency: mean and standard deviation over people
CONVERSION = 0.30  # visits that end with an order
TOP_FIVE = 0.30  # share of sales of the five largest sellers, where there are enough sellers
GUESTS = 0.15  # people who never sign in, per customer
SHOCK = 0.30  # standard deviation of the demand shock
GREED = 0.6  # price rises by this much per standard deviation of the demand shock: the endogeneity
TRIAL_EVERY, TRIAL_FIRST, TRIAL_SHARE = 8, 3, 0.2  # price experiments: weeks 3, 11, ... on a fifth of the cells
SECOND, PARTNER = 0.20, 0.7  # orders with a second item; second items that are a planted partner of the first
SPREAD = {"type": 0.4, "theme": 0.4, "colour": 0.15, "latent": 0.25}  # standard deviations of tastes
FOND = 3.5  # utility of a favourite theme
SHELF = 36  # products a week's slates are drawn from
CLICKS = 0.04  # of looked-at slots filled at random
REGIONS = ("north", "south", "east", "west", "islands", "overseas", "capital", "border")
COLOURS = ("black", "white", "navy", "red", "grey", "green", "yellow", "pink")
THEMES = ("cats", "camping", "retro", "fishing", "teacher", "nurse", "gaming", "family", "running", "music")
AGES = ("18-24", "25-34", "35-49", "50-64", "65+")


@dataclass(frozen=True)
class Kind:
    """A garment or gift that designs are printed on."""

    name: str
    blank: float  # cost of the blank
    print: float  # cost of printing
    price: float  # typical
    weight: float  # popularity
    sleeves: tuple[str, ...] = ("none",)
    again: bool = False  # bought again and again
    partners: tuple[str, ...] = ()


KINDS = (
    Kind("t-shirt", 4.5, 3.0, 19.0, 3.0, ("short", "long"), again=True, partners=("cap", "mug", "tote bag")),
    Kind("hoodie", 11.5, 3.5, 36.0, 1.6, ("long",), partners=("cap", "socks", "sticker")),
    Kind("sweatshirt", 9.0, 3.5, 30.0, 1.2, ("long",), partners=("socks", "tote bag")),
    Kind("polo", 7.5, 3.0, 27.0, 0.8, ("short", "long"), partners=("cap",)),
    Kind("tank top", 4.0, 3.0, 18.0, 0.8, ("none",), partners=("cap", "tote bag")),
    Kind("cap", 5.0, 2.5, 20.0, 0.8, partners=("t-shirt", "sticker")),
    Kind("tote bag", 3.5, 2.0, 15.0, 0.7, partners=("t-shirt", "mug")),
    Kind("mug", 3.5, 1.5, 13.0, 1.4, again=True, partners=("t-shirt", "sticker", "poster")),
    Kind("poster", 2.5, 2.5, 16.0, 0.9, partners=("canvas", "mug")),
    Kind("canvas", 8.0, 4.0, 30.0, 0.5, partners=("poster",)),
    Kind("socks", 3.0, 1.5, 11.0, 0.8, again=True, partners=("hoodie", "mug")),
    Kind("sticker", 0.8, 0.7, 5.5, 0.8, again=True, partners=("mug", "cap")),
)
KIND_ROW = {kind.name: row for row, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Shelves:
    """Attributes of the products, rows of the tuples above; all [m]."""

    kind: I32
    colour: I32
    sleeve: tuple[str, ...]
    theme: I32
    design: I32
    seller: I32
    target: F64  # [sellers] share of sales planned for each seller

    def typical(self, field: str) -> F64:
        """A number of the product's kind."""
        return np.array([float(getattr(k, field)) for k in KINDS])[self.kind]


@dataclass(frozen=True)
class Planted:
    """What `plant` hands to the choice process: the truth so far, and what people and products look like."""

    truth: MarketTruth
    shelves: Shelves
    age: I32  # [p]


def plant(size: Size) -> Planted:
    """Draw a truth; `truth.purchases` is still empty. Deterministic by `size.seed`."""
    rng = np.random.default_rng(size.seed)
    shelves = _draw_shelves(size, rng)
    names, loading = _loadings(shelves, rng)
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
        complements=_draw_complements(shelves, rng),
        enough=1.0,
        elasticity=np.empty((0, 0)),
        experiments=trials,
        logging=_draw_logging(size, offered, taste, rng),
        purchases=Events.empty(size.customers),
    )
    return Planted(_finish(_calibrate_baskets(_calibrate(truth, shelves))), shelves, age)


def _shares(n: int, power: float) -> F64:
    weight = np.arange(1, n + 1, dtype=np.float64) ** -power
    return np.asarray(weight / weight.sum())


def _seller_shares(n: int) -> F64:
    """Zipf-Mandelbrot shares whose top five hold TOP_FIVE, as nearly as n sellers allow."""

    def shares(power: float) -> F64:
        weight = (np.arange(n) + 4.0) ** -power
        return np.asarray(weight / weight.sum())

    few = shares(0.2)[:5].sum() >= TOP_FIVE
    return shares(0.2 if few else brentq(lambda power: shares(power)[:5].sum() - TOP_FIVE, 0.2, 20.0))


def _spread(total: int, weights: F64, least: int) -> I32:
    """Integers that sum to `total`, each at least `least`, otherwise proportional to the weights."""
    exact = (total - least * len(weights)) * weights / weights.sum()
    count = np.floor(exact).astype(np.int64)
    count[np.argsort(count - exact, kind="stable")[: total - least * len(weights) - count.sum()]] += 1
    return np.asarray(count + least, dtype=np.int32)


def _draw_shelves(size: Size, rng: np.random.Generator) -> Shelves:
    """Designs of one to six variants: some in other colours, some on other kinds of product."""
    target = _seller_shares(size.sellers)
    weight = np.array([k.weight for k in KINDS])
    rows: list[tuple[int, int, str, int, int, int]] = []
    design = 0
    for seller, count in enumerate(_spread(size.products, target**0.7, 3)):
        while count > 0:
            theme, variants = int(rng.integers(len(THEMES))), min(int(count), int(rng.integers(1, 7)))
            seen: set[tuple[int, int, str]] = set()
            kind = int(rng.choice(len(KINDS), p=weight / weight.sum()))
            while len(seen) < variants:
                if rng.random() < 0.5:
                    kind = int(rng.choice(len(KINDS), p=weight / weight.sum()))
                sleeves = KINDS[kind].sleeves
                seen.add((kind, int(rng.integers(len(COLOURS))), sleeves[int(rng.integers(len(sleeves)))]))
            rows += [(*variant, theme, design, seller) for variant in sorted(seen)]
            count, design = count - variants, design + 1
    order = rng.permutation(len(rows))
    kinds, colours, sleeves_of, themes, designs, sellers = zip(*(rows[i] for i in order), strict=True)
    as_rows = [np.array(column, dtype=np.int32) for column in (kinds, colours, themes, designs, sellers)]
    return Shelves(as_rows[0], as_rows[1], tuple(sleeves_of), as_rows[2], as_rows[3], as_rows[4], target)


def _loadings(shelves: Shelves, rng: np.random.Generator) -> tuple[tuple[str, ...], F32]:
    """Product loadings [m, f]: one-hot kind, theme and colour, then four latent factors shared by a design."""
    blocks = [np.eye(n)[rows] for n, rows in ((len(KINDS), shelves.kind), (len(THEMES), shelves.theme))]
    blocks.append(np.eye(len(COLOURS))[shelves.colour])
    of_design = rng.normal(0, 0.8, (int(shelves.design.max()) + 1, 4))
    blocks.append(of_design[shelves.design] + rng.normal(0, 0.4, (len(shelves.kind), 4)))
    names = [f"type:{k.name}" for k in KINDS] + [f"theme:{t}" for t in THEMES]
    names += [f"colour:{c}" for c in COLOURS] + [f"latent:{i}" for i in range(4)]
    return tuple(names), np.concatenate(blocks, axis=1).astype(np.float32)


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


def _draw_complements(shelves: Shelves, rng: np.random.Generator) -> sparse.csr_matrix:
    """[m, m] three partners per product: kinds that go together, preferably of the same theme, other designs.

    Relative to each other here; `_calibrate_baskets` sets their level.
    """
    m = len(shelves.kind)
    fits = np.array([[other.name in kind.partners for other in KINDS] for kind in KINDS])
    liking = 1.0 * fits[shelves.kind][:, shelves.kind] + 0.001
    liking *= np.where(shelves.theme[:, None] == shelves.theme, 5.0, 1.0)
    liking[shelves.design[:, None] == shelves.design] = 0
    drawn = np.log(np.maximum(liking, 1e-300)) + rng.gumbel(size=(m, m))  # three draws without replacement
    partners = np.argsort(-drawn, axis=1)[:, :3]
    weight = np.tile([1.5, 0.9, 0.6], (m, 1))
    return sparse.csr_matrix((weight.ravel(), (np.repeat(np.arange(m), 3), partners.ravel())), shape=(m, m))


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


def _calibrate(truth: MarketTruth, shelves: Shelves) -> MarketTruth:
    """Shift qualities until expected sales by seller and the share of visits that buy are as planned."""
    rng = np.random.default_rng(0)  # a fixed sample of people: calibration is not a draw of the truth
    people = rng.choice(len(truth.rate), min(400, len(truth.rate)), replace=False).astype(np.int32)
    days = np.linspace(0, truth.last_day, 4).astype(int)
    everything = np.arange(len(truth.products), dtype=np.int32)
    values = [utilities(truth, people, everything, int(day)) for day in days]
    prices = [truth.price[:, :, day // WEEK][truth.segment[people]] for day in days]
    shift = np.zeros(len(truth.sellers))
    for _ in range(12):
        sales, bought = np.zeros(len(shift)), 0.0
        for day, value, price in zip(days, values, prices, strict=True):
            strength = np.exp(value + shift[truth.seller]) * truth.offered[:, day]
            chance = strength / (1 + strength.sum(axis=1, keepdims=True)) * truth.rate[people][:, None]
            sales += np.bincount(truth.seller, (chance * price).sum(axis=0), len(shift))
            bought += chance.sum() / truth.rate[people].sum() / len(days)
        shift += np.log(shelves.target / np.maximum(sales / sales.sum(), 1e-9))
        shift += np.log(CONVERSION / (1 - CONVERSION)) - np.log(bought / (1 - bought))
    return dataclasses.replace(truth, quality=(truth.quality + shift[truth.seller]).astype(np.float32))


def _calibrate_baskets(truth: MarketTruth) -> MarketTruth:
    """Set the level of `complements` and `enough` so that SECOND and PARTNER come out on an average day."""
    rng = np.random.default_rng(1)
    people = rng.choice(len(truth.rate), min(1500, len(truth.rate)), replace=False).astype(np.int32)
    day = truth.days // 2
    strength = np.exp(utilities(truth, people, np.arange(len(truth.products), dtype=np.int32), day))
    strength = strength.astype(np.float64) * truth.offered[:, day]
    total = strength.sum(axis=1)
    running = np.cumsum(strength, axis=1)
    first = (running < (rng.random(len(people)) * total)[:, None]).sum(axis=1)
    orders = truth.rate[people] * total / (1 + total)  # how often each of them buys
    rest = total - strength[np.arange(len(people)), first]
    partners = truth.complements[first].multiply(strength).sum(axis=1).A1

    def misses(logs: F64) -> list[float]:
        level, enough = np.exp(logs)
        wanted = rest + level * partners
        second = orders * wanted / (wanted + enough)
        from_partners = second @ (level * partners / wanted) / second.sum()
        return [float(from_partners - PARTNER), float(second.sum() / orders.sum() - SECOND)]

    level = PARTNER / (1 - PARTNER) * rest.mean() / partners.mean()
    enough = (1 - SECOND) / SECOND * rest.mean() / (1 - PARTNER)
    level, enough = np.exp(fsolve(misses, np.log([level, enough]))).tolist()
    return dataclasses.replace(truth, complements=truth.complements * level, enough=enough)


def _finish(truth: MarketTruth) -> MarketTruth:
    """Fill in what follows from the calibrated truth: elasticities, true responses, the popular arm's logits."""
    elasticity = np.stack([own_elasticities(truth, truth.last_day, s) for s in range(len(truth.segments))])
    trials = _measure(truth)
    shelf = truth.logging.shelf
    popularity = (truth.quality - ALPHA * truth.price.mean(axis=(0, 2)))[shelf].astype(np.float64)
    appeal = np.array([_click_intercept(truth), truth.logging.appeal[1]])
    logging = dataclasses.replace(truth.logging, popularity=popularity, appeal=appeal)
    return dataclasses.replace(truth, elasticity=elasticity, experiments=trials, logging=logging)


def _click_intercept(truth: MarketTruth) -> float:
    """Intercept at which a random product of the first shelf, looked at, is clicked by CLICKS of the people."""
    everybody = np.arange(len(truth.rate), dtype=np.int32)[:500]
    appeal = truth.logging.appeal[1] * utilities(truth, everybody, truth.logging.shelf[0], 0).astype(np.float64)
    return float(brentq(lambda level: (1 / (1 + np.exp(-(level + appeal)))).mean() - CLICKS, -30.0, 30.0))


def _measure(truth: MarketTruth) -> Experiments:
    """The experiments on products offered for most of their week, with the true ratio of units."""
    ran = np.add.reduceat(truth.offered, np.arange(0, truth.days, WEEK), axis=1) > WEEK // 2  # [m, w]
    trials = truth.experiments
    keep = ran[trials.product, trials.week]
    trials = Experiments(**{f.name: getattr(trials, f.name)[keep] for f in dataclasses.fields(trials)})
    everything = np.arange(len(truth.products), dtype=np.int32)
    for week, segment in sorted(set(zip(trials.week.tolist(), trials.segment.tolist(), strict=True))):
        at = np.flatnonzero((trials.week == week) & (trials.segment == segment))
        people, weight = people_of(truth, segment)
        strength = np.exp(utilities(truth, people, everything, week * WEEK)) * ran[:, week]
        own = strength[:, trials.product[at]]
        rest = 1 + strength.sum(axis=1, keepdims=True) - own
        step = (trials.planned - trials.charged)[at]
        other = own * np.exp(-truth.price_coefficient[people][:, None] * step)
        trials.response[at] = (weight @ (own / (rest + own))) / (weight @ (other / (rest + other)))
    return trials
