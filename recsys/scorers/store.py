"""Scorers as bytes and back: a fixed list of kinds, arrays and JSON, nothing that can execute.

The bytes are one safetensors file. A blend holds its parts as further such files, so that any scorer nests.
"""

from __future__ import annotations

import dataclasses
import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys import arrays
from recsys.contract import Scorer
from recsys.errors import StoreError

Bytes = NDArray[np.uint8]

# The whole list: a stored file can ask for one of these by its short name and for nothing else.
KINDS = {
    "linear": ("recsys.scorers.linear", "LinearScorer"),
    "lookalike": ("recsys.scorers.lookalike", "LookalikeScorer"),
    "factors": ("recsys.scorers.factors", "FactorScorer"),
    "blend": ("recsys.scorers.blend", "BlendScorer"),
    "choice": ("recsys.scorers.choice", "ChoiceScorer"),
    "search": ("recsys.scorers.search", "SearchScorer"),
}


@dataclass(frozen=True)
class Stored:
    """A value's kind, its own bytes, and the bytes of the scorers inside it."""

    kind: str
    body: Bytes
    parts: dict[str, Bytes] = field(default_factory=dict)


def scorer_bytes(scorer: Any) -> bytes:
    """Serialise a scorer; equal scorers give equal bytes. Raises StoreError on an unknown kind."""
    kind = _kind_of(scorer)
    parts: dict[str, Bytes] = {}
    if kind == "blend":
        parts = {name: _flat(scorer_bytes(part)) for name, part in scorer.parts.items()}
        scorer = dataclasses.replace(scorer, parts={})
    return arrays.to_bytes(Stored(kind, _flat(arrays.to_bytes(scorer)), parts))


def load_scorer(blob: bytes) -> Any:
    """Read what `scorer_bytes` wrote: a Scorer. Raises StoreError when it is anything else."""
    stored = arrays.from_bytes(Stored, blob)
    if stored.kind not in KINDS:
        raise StoreError("A stored scorer cannot be read", got=f"kind {stored.kind!r}", wanted=" or ".join(KINDS))
    scorer = arrays.from_bytes(_type_of(stored.kind), stored.body.tobytes())
    if stored.parts:
        loaded: dict[str, Scorer] = {name: load_scorer(part.tobytes()) for name, part in stored.parts.items()}
        return dataclasses.replace(scorer, parts=loaded)
    return scorer


def _flat(blob: bytes) -> Bytes:
    return np.frombuffer(blob, dtype=np.uint8)


def _type_of(kind: str) -> type[Any]:
    module, name = KINDS[kind]
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _kind_of(scorer: object) -> str:
    own = (type(scorer).__module__, type(scorer).__name__)
    for kind, place in KINDS.items():
        if place == own:
            return kind
    raise StoreError("A scorer cannot be stored", got=f"a {own[1]}", wanted=" or ".join(KINDS))
