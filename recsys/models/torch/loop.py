"""The one training loop: epochs, the clock, the numbers, and when to stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from recsys.contract import Dataset, Fitted, Run, Split, State
from recsys.errors import FitError
from recsys.models.guard import check_deadline
from recsys.models.torch.folding import fold
from recsys.models.torch.network import Form, Network
from recsys.models.torch.purchases import shuffle
from recsys.models.torch.training import Training, network, state_of, training, usable_start
from recsys.scorers.factors import FactorScorer

TARGETS = (64, 1024)  # of a batch: a 256th of the purchases, within these
MOST_EPOCHS = 40
ENOUGH = 1.005  # an epoch that gains less than half a percent is the last: averages make the curve smooth
SNAPSHOTS = 16  # of an epoch, or that many batches: what an average spans
JUDGED = 2000  # validation queries


def fit(form: Form, data: Dataset, run: Run, epochs: int | None) -> Fitted:
    """Train on all of `data`; raises FitError on NaN, the deadline or too little data.

    Without `epochs` their number is what validated best (see `usual_epochs` where the run brings no validation); from
    last night's rows, which know the validation days, a third of last night's number.
    """
    start = usable_start(run.start, form, data.as_of)
    with torch_at_work() as device:
        curve: list[float] = []
        if epochs is None and start is not None:
            epochs = max(1, round(int(start["epochs"][0]) / 3))
        elif epochs is None and run.validation is not None:
            epochs, curve = best_epochs(form, run.validation, run, device)
        given, losses = training(data, form), list[float]()
        epochs = epochs or usual_epochs(given.purchases.chance.sum())
        passes = _epochs(given, run, device, start)
        for step in range(epochs):
            trained, loss = next(passes)
            losses.append(loss)
            run.log(len(curve) + step, loss=loss)
        scorer = fold(data, given, trained)
    report = {
        "n_iterations": epochs,
        "losses": losses,
        "validation": curve,
        "warm_start": start is not None,
        "device": device,
        "dimension": form.dimension,
    }
    whole = epochs if start is None else int(start["epochs"][0])  # a chain of warm starts must not shrink
    return Fitted(scorer, state_of(given, trained, data.as_of, whole), report)


def usual_dimension(purchases: int) -> int:
    """64 below half a million purchases, 128 from there: more has more to tell and more to pay for."""
    return 64 if purchases < 500_000 else 128


def usual_epochs(targets: float) -> int:
    """4 for a million targets an epoch and more, up to 20 for fewer, growing with the root: few steps go less far."""
    return int(np.clip(round(4 * np.sqrt(1e6 / max(targets, 1))), 4, 20))


def best_epochs(form: Form, split: Split, run: Run, device: str) -> tuple[int, list[float]]:
    """The number of epochs after which the held-out purchases rank best, and the curve."""
    given, curve = training(split.train, form), list[float]()
    for epoch, (trained, loss) in enumerate(_epochs(given, run, device, None)):
        curve.append(rank_gain(fold(split.train, given, trained), split, run.seed))
        run.log(epoch, loss=loss, validation_gain=curve[-1])
        if epoch + 1 == MOST_EPOCHS or (epoch and curve[-1] < ENOUGH * max(curve[:-1])):
            break
    return int(np.argmax(curve)) + 1, curve


def _epochs(given: Training, run: Run, device: str, start: State | None) -> Iterator[tuple[Network, float]]:
    """Train without end; yields the network and the mean loss after each epoch."""
    rng = np.random.default_rng(run.seed)
    trained = network(given, start, rng, device)
    snapshots = epoch = 0
    while True:
        visits, losses = shuffle(given.purchases, rng), list[float]()
        rows = list(visits.batches(int(np.clip(len(visits.target) // 256, *TARGETS))))
        every = max(1, len(rows) // SNAPSHOTS)
        for at, some in enumerate(rows, start=1):
            losses.append(trained.step(given.batch(visits, some, rng), rng))
            check_deadline(run, given.form.family, f"{epoch} epochs")
            if at % every == 0:
                trained.remember(max(1 / SNAPSHOTS, 2 / (snapshots + 2)))
                snapshots += 1
        epoch += 1
        if not np.isfinite(losses).all():
            raise FitError(given.form.family, got="a loss that is not finite", cure="Lower the learning rate.")
        yield trained, float(np.mean(losses))


def rank_gain(scorer: FactorScorer, split: Split, seed: int) -> float:
    """Mean of 1 / log2(1 + rank) over the held-out products, products already bought left out; ties count against."""
    rng = np.random.default_rng(seed)
    n = len(split.queries)
    chosen = np.sort(rng.permutation(n)[:JUDGED])
    queries = split.queries.take(chosen)
    scores = np.nan_to_num(scorer.score(queries), nan=-np.inf)
    scores[queries.history.seen(scores.shape[1]).nonzero()] = -np.inf
    gains = []
    for row, query in enumerate(chosen):
        own = split.truth.product[split.truth.start[query] : split.truth.start[query + 1]]
        value = scores[row, own[own >= 0]]
        rank = (scores[row][None, :] >= value[:, None]).sum(axis=1)
        gains.append(1 / np.log2(1 + rank))
    return float(np.concatenate(gains).mean()) if gains else 0.0


@contextmanager
def torch_at_work() -> Iterator[str]:
    """Deterministic torch on as many threads as OMP_NUM_THREADS says (one without it); yields the device."""
    import torch

    threads, strict = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may not be deterministic
    on_gpu = torch.cuda.is_available()
    torch.set_deterministic_debug_mode("warn" if on_gpu else "error")  # use_deterministic_algorithms costs a second
    try:
        yield "cuda" if on_gpu else "cpu"
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(strict)
