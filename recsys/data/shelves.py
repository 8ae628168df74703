"""What is on the shelves: kinds of product, designs and their variants, who sells them, what goes with what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import brentq

from recsys.contract import F32, F64, I32
from recsys.data.marketplace import Size

TOP_FIVE = 0.30  # share of sales of the five largest sellers, where there are enough sellers
COLOURS = ("black", "white", "navy", "red", "grey", "green", "yellow", "pink")
THEMES = ("cats", "camping", "retro", "fishing", "teacher", "nurse", "gaming", "family", "running", "music")


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


def draw_shelves(size: Size, rng: np.random.Generator) -> Shelves:
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


def draw_loadings(shelves: Shelves, rng: np.random.Generator) -> tuple[tuple[str, ...], F32]:
    """Product loadings [m, f]: one-hot kind, theme and colour, then four latent factors shared by a design."""
    blocks = [np.eye(n)[rows] for n, rows in ((len(KINDS), shelves.kind), (len(THEMES), shelves.theme))]
    blocks.append(np.eye(len(COLOURS))[shelves.colour])
    of_design = rng.normal(0, 0.8, (int(shelves.design.max()) + 1, 4))
    blocks.append(of_design[shelves.design] + rng.normal(0, 0.4, (len(shelves.kind), 4)))
    names = [f"type:{k.name}" for k in KINDS] + [f"theme:{t}" for t in THEMES]
    names += [f"colour:{c}" for c in COLOURS] + [f"latent:{i}" for i in range(4)]
    return tuple(names), np.concatenate(blocks, axis=1).astype(np.float32)


def draw_complements(shelves: Shelves, rng: np.random.Generator) -> sparse.csr_matrix:
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
