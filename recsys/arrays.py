"""Frozen values as plain arrays: the one form in which anything is stored, sent or digested.

A value is a frozen dataclass whose fields are numbers, text, arrays, sparse rows, other such values, or tuples and
dicts of them. `pack` turns it into named arrays plus a JSON description, `unpack` turns it back into the type asked
for. Nothing here can execute code: no pickle, no import by name.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import json
import struct
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.errors import StoreError

V = TypeVar("V")
Arrays = dict[str, NDArray[Any]]
_SCALARS = (bool, int, float, str, type(None))


def pack(value: Any, path: str = "") -> tuple[Any, Arrays]:
    """Split `value` into a JSON tree and the arrays it names (C-contiguous, little-endian)."""
    if isinstance(value, _SCALARS):
        return value, {}
    if isinstance(value, np.generic):
        return value.item(), {}
    if isinstance(value, np.ndarray):
        return _pack_array(value, path)
    if sparse.issparse(value):
        return _pack_rows(value, path)
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value) if f.init]
        return _pack_items("value", {n: getattr(value, n) for n in names}, path)
    if isinstance(value, Mapping):
        return _pack_items("map", value, path)
    if isinstance(value, list | tuple | frozenset):
        items = sorted(value) if isinstance(value, frozenset) else value
        return _pack_items("list", {str(i): item for i, item in enumerate(items)}, path)
    raise TypeError(f"{path or 'value'}: {type(value).__name__} has no array form")


def unpack(kind: Any, tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Build a value of type `kind` from what `pack` returned; raises StoreError where they do not fit."""
    optional = typing.get_origin(kind) in (types.UnionType, typing.Union)
    if optional:
        if tree is None:
            return None
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if not isinstance(tree, dict) or len(tree) != 1:
        return tree
    ((tag, content),) = tree.items()
    if tag == "array":
        return arrays[content]
    if tag == "text":
        return _decode_text(arrays[f"{content}.bytes"], arrays[f"{content}.ends"])
    if tag == "rows":
        name, shape = content
        parts = tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
        return sparse.csr_matrix(parts, shape=tuple(shape))
    return _unpack_items(kind, tag, content, arrays)


def digest(value: Any) -> str:
    """sha256 over dtypes, shapes, bytes and the JSON tree: equal values have equal digests on every machine."""
    tree, arrays = pack(value)
    seal = hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        array = arrays[name]
        seal.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        seal.update(np.ascontiguousarray(array).data)
    return seal.hexdigest()


def to_bytes(value: Any) -> bytes:
    """Serialise `value` as safetensors; its JSON tree is the single metadata entry."""
    from safetensors.numpy import save

    tree, arrays = pack(value)
    return save(arrays, metadata={"recsys": json.dumps(tree, sort_keys=True)})


def from_bytes(kind: type[V], blob: bytes) -> V:
    """Read a value of type `kind`; raises StoreError when the bytes are not such a value."""
    from safetensors.numpy import load

    try:
        (length,) = struct.unpack("<Q", blob[:8])
        header = json.loads(blob[8 : 8 + length])
        tree = json.loads(header["__metadata__"]["recsys"])
        return typing.cast(V, unpack(kind, tree, load(blob)))
    except Exception as error:
        raise StoreError(
            f"A stored {kind.__name__} cannot be read",
            got=f"{len(blob)} bytes ({type(error).__name__}: {error})",
            wanted="a safetensors file written by recsys",
            cure="Delete it and run the step again.",
        ) from error


def _pack_array(array: NDArray[Any], path: str) -> tuple[Any, Arrays]:
    if array.dtype.kind in "OUT":
        encoded = [str(text).encode() for text in array]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        packed: Arrays = {f"{path}.bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8), f"{path}.ends": ends}
        return {"text": path}, packed
    return {"array": path}, {path: np.ascontiguousarray(array)}


def _decode_text(flat: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.object_]:
    blob, texts = flat.tobytes(), np.empty(len(ends), dtype=object)
    start = 0
    for i, end in enumerate(ends.tolist()):
        texts[i] = blob[start:end].decode()
        start = end
    return texts


def _pack_rows(matrix: Any, path: str) -> tuple[Any, Arrays]:
    rows = sparse.csr_matrix(matrix)
    rows.sort_indices()
    arrays: Arrays = {f"{path}.{part}": getattr(rows, part) for part in ("data", "indices", "indptr")}
    return {"rows": [path, list(rows.shape)]}, arrays


def _pack_items(tag: str, items: Mapping[str, Any], path: str) -> tuple[Any, Arrays]:
    tree: dict[str, Any] = {}
    arrays: Arrays = {}
    for name, item in items.items():
        tree[name], more = pack(item, f"{path}/{name}" if path else str(name))
        arrays |= more
    return {tag: tree}, arrays


@functools.cache
def _field_types(kind: type) -> dict[str, Any]:
    module = importlib.import_module(kind.__module__)  # where the type was defined, so already imported
    return typing.get_type_hints(kind, vars(module))


def _unpack_items(kind: Any, tag: str, content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    arguments = typing.get_args(kind)
    if tag == "value":
        types_of = _field_types(kind)
        return kind(**{name: unpack(types_of[name], item, arrays) for name, item in content.items()})
    if tag == "map":
        item_type = arguments[1] if len(arguments) == 2 else Any
        return {name: unpack(item_type, item, arrays) for name, item in content.items()}
    in_order = [content[str(i)] for i in range(len(content))]  # JSON keys are sorted as text: "10" before "2"
    items = [unpack(arguments[0] if arguments else Any, item, arrays) for item in in_order]
    return frozenset(items) if typing.get_origin(kind) is frozenset else tuple(items)
