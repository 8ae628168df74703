"""Search: from a shopper's words to products, learnt from titles and from what is bought together.

Every title is a query. It should find its own product, and what is bought in the same orders as that product: the
answer is a distribution over products, and the loss the cross-entropy of a softmax over all of them (Huang et al.
2013 have such towers over letter pieces; the co-purchases are added here). Tokens of the query are dropped at random,
because shoppers write less than titles do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
from scipy import sparse

from recsys.contract import F32, I32, Dataset, Fitted, Part, Rows, Run
from recsys.errors import FitError
from recsys.models.complements import Complements
from recsys.models.guard import check_deadline, check_finite, check_memory
from recsys.models.settings import Range
from recsys.scorers.search import SearchScorer
from recsys.scorers.text import TextColumns
from recsys.scorers.tower import unit_rows

Tensor: TypeAlias = Any
BATCH = 256  # titles
CANDIDATES = 8192  # products a batch competes over; a greater catalogue is sampled
SCALE = 0.05  # standard deviation of a fresh row
SNAPSHOTS = 4  # of an epoch: how often the averages are moved


@dataclass(frozen=True)
class Search:
    """Two towers over text columns; a product adds its identity to its title. Answers texts, not customers."""

    family: ClassVar[str] = "search"
    needs: ClassVar[frozenset[Part]] = frozenset({Part.BASKETS})

    dimension: Annotated[int, Range(1, 2048)] = 128
    epochs: Annotated[int, Range(1, 10_000)] = 5
    learning_rate: Annotated[float, Range(1e-6, 1)] = 0.005
    temperature: Annotated[float, Range(1e-3, 100)] = 0.1
    dropout: Annotated[float, Range(0, 0.95)] = 0.4  # of the query's tokens
    own: Annotated[float, Range(0, 1)] = 0.3  # share of the answer that is the product itself
    neighbours: Annotated[int, Range(1, 10_000)] = 50  # co-purchases that share the rest
    lexical: Annotated[float, Range(0, 1e3)] = 5.0  # weight of the words themselves
    memory_mb: Annotated[int, Range(1)] = 8192

    def fit(self, data: Dataset, run: Run) -> Fitted:
        """Raises FitError with fewer than two titles, at the deadline, or above `memory_mb`."""
        titles = [str(title) for title in data.catalogue.title]
        columns = TextColumns.fit(title for title in titles if title)
        x = columns.rows(titles)
        told = np.flatnonzero(np.diff(x.indptr)).astype(np.int32)
        if len(told) < 2:
            raise FitError("search", got=f"{len(told)} products with a title", wanted="at least 2 to tell apart")
        needed = 4.0 * self.dimension * 8 * (2 * columns.size + len(titles)) + 12.0 * BATCH * len(titles)
        check_memory("search", needed, self.memory_mb, f"{columns.size} text columns, {len(titles)} products")
        answers = self._answers(data, run)
        product = sparse.hstack([x, sparse.identity(len(titles), dtype=np.float32)], format="csr", dtype=np.float32)
        table, vectors, losses = self._train(x, product, answers, told, run)
        check_finite("search", table, vectors)
        vectors[(np.diff(x.indptr) == 0) & (np.bincount(answers.indices, minlength=len(titles)) == 0)] = 0
        scorer = SearchScorer(data.space, columns, x, table, vectors, self.temperature, self.lexical)
        return Fitted(scorer, report={"n_iterations": self.epochs, "losses": losses, "n_columns": columns.size})

    def _answers(self, data: Dataset, run: Run) -> Rows:
        """[m, m] csr: what each title should find beside its own product; rows add up to 1, or are empty."""
        try:
            fitted = Complements(neighbours=self.neighbours).fit(data, run)
        except FitError:  # no order held two products: titles alone
            check_deadline(run, "search", "the co-purchases")
            return sparse.csr_matrix((data.n_products, data.n_products), dtype=np.float32)
        together: Rows = sparse.csr_matrix(fitted.scorer.weights, dtype=np.float32)  # type: ignore[attr-defined]
        total = np.asarray(together.sum(axis=1)).ravel()
        scaled = sparse.diags_array((1 / np.where(total > 0, total, 1)).astype(np.float32)) @ together
        return sparse.csr_matrix(scaled)

    def _train(self, x: Rows, product: Rows, answers: Rows, told: I32, run: Run) -> tuple[F32, F32, list[float]]:
        """(table [columns, d], product vectors [m, d], mean loss of each epoch)."""
        from recsys.models.torch.loop import torch_at_work
        from recsys.models.torch.tables import random_rows, table_of

        rng, losses = np.random.default_rng(run.seed), list[float]()
        with torch_at_work() as device:
            tables = {
                name: table_of(random_rows(n, self.dimension, SCALE, rng), self.learning_rate, device)
                for name, n in (("query", x.shape[1]), ("product", product.shape[1]))
            }
            steps = 0
            for epoch in range(self.epochs):
                order, seen = rng.permutation(told), list[float]()
                for at in range(0, len(order), BATCH):
                    rows = order[at : at + BATCH]
                    asked = dropped(x[rows], self.dropout, rng)
                    seen.append(self._step(tables, asked, product, answers[rows], rows, rng))
                    check_deadline(run, "search", f"{epoch} epochs")
                    steps += 1
                    if steps % max(1, len(order) // BATCH // SNAPSHOTS) == 0:
                        for table in tables.values():
                            table.remember(max(1 / (2 * SNAPSHOTS), 2 / (2 + steps)))
                losses.append(float(np.mean(seen)))
                run.log(epoch, loss=losses[-1])
            query = tables["query"].average.cpu().numpy()
            vectors = unit_rows(product @ tables["product"].average.cpu().numpy())
        return query, vectors, losses

    def _step(
        self, tables: Mapping[str, Any], asked: Rows, product: Rows, answers: Rows, own: I32, rng: np.random.Generator
    ) -> float:
        """Learn from one batch of titles; returns its loss."""
        import torch
        from torch.nn.functional import normalize

        offered, added = candidates(answers, own, rng)
        looks = tables["query"].look_up(asked), tables["product"].look_up(product[offered])
        q, p = (look.sums().requires_grad_() for look in looks)
        scores = normalize(q, dim=1) @ normalize(p, dim=1).T / self.temperature
        logs = (scores + torch.from_numpy(added).to(scores.device)).log_softmax(dim=1)
        wanted = torch.from_numpy(self._wanted(answers, own, offered)).to(scores.device)
        loss: Tensor = -(wanted * logs).sum(dim=1).mean()
        loss.backward()
        for table, look, sums in zip((tables["query"], tables["product"]), looks, (q, p), strict=True):
            table.descend(look, look.spread(sums.grad))
        return float(loss.detach())

    def _wanted(self, answers: Rows, own: I32, offered: I32) -> F32:
        """float32[batch, candidates]: the answer to each title, the product alone where nothing goes along."""
        share = np.where(np.diff(answers.indptr) > 0, np.float32(self.own), np.float32(1))
        wanted: F32 = answers[:, offered].toarray() * (1 - share[:, None])
        wanted[np.arange(len(own)), np.searchsorted(offered, own)] += share
        return wanted


def dropped(x: Rows, share: float, rng: np.random.Generator) -> Rows:
    """Rows with some tokens left out, of length 1 again; a row that would be empty keeps all."""
    kept = rng.random(x.nnz) >= share
    owner = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    kept |= (np.bincount(owner[kept], minlength=x.shape[0]) == 0)[owner]
    data = np.where(kept, x.data, 0).astype(np.float32)
    length = np.sqrt(np.bincount(owner, weights=data**2, minlength=x.shape[0]))
    data = (data / np.where(length > 0, length, 1)[owner]).astype(np.float32)
    return sparse.csr_matrix((data, x.indices, x.indptr), shape=x.shape)


def candidates(answers: Rows, own: I32, rng: np.random.Generator) -> tuple[I32, F32]:
    """Products a batch competes over, sorted, and what is added to their scores.

    All of a small catalogue. Of a great one every answer of the batch and some of the others, each of which stands for
    as many as were left out: the sum over all products is then estimated without bias.
    """
    m = answers.shape[1]
    if m <= CANDIDATES:
        return np.arange(m, dtype=np.int32), np.zeros(m, dtype=np.float32)
    sure = np.unique(np.concatenate([own, answers.indices])).astype(np.int32)
    others = np.setdiff1d(np.arange(m, dtype=np.int32), sure)
    drawn = rng.choice(others, min(len(others), CANDIDATES), replace=False)
    offered = np.sort(np.concatenate([sure, drawn]).astype(np.int32))
    added = np.where(np.isin(offered, sure), 0, np.log(len(others) / max(len(drawn), 1)))
    return offered, added.astype(np.float32)
