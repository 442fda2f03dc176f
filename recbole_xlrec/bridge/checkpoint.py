"""Checkpoints of tensors and plain values only, never pickled code.

RecBole saves its whole ``Config`` object and NumPy/SciPy matrices inside a checkpoint, which PyTorch >= 2.6 rightly
refuses to load (RecBole #2215, #2212, #2216). Here everything is turned into tensors, numbers, strings and containers
of these before it is written, and turned back after ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from recbole_xlrec.errors import DataError

_KIND = "__xlrec__"


def to_plain(value: Any) -> Any:
    """Turns a value into tensors, plain values and containers of these.

    Args:
        value: Tensors, NumPy and SciPy arrays, modules, enums, paths, and any nesting of dicts, lists, tuples and sets.

    Returns:
        The same information in types that ``torch.load(weights_only=True)`` accepts.

    Raises:
        DataError: For an object of any other type, since only code could restore it.
    """
    if value is None or isinstance(value, (bool, int, float, str, torch.Tensor)) and not isinstance(value, Enum):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        plain = [to_plain(entry) for entry in value]
        return plain if isinstance(value, list) else tuple(plain)
    for kind, pack in _PACKERS.items():
        if isinstance(value, kind):
            return pack(value)
    raise DataError(f"a checkpoint holds tensors and plain values only; {type(value).__name__} cannot be written")


def from_plain(value: Any, current: Any = None) -> Any:
    """Turns what `to_plain` gave back into the original types.

    Args:
        value: A plain value.
        current: The object now in the place of the value; a module is restored into it in place.
    """
    if isinstance(value, dict):
        if _KIND in value:
            return _UNPACKERS[value[_KIND]](value, current)
        known = current if isinstance(current, Mapping) else {}
        return {key: from_plain(entry, known.get(key)) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        entries = [from_plain(entry) for entry in value]
        return entries if isinstance(value, list) else tuple(entries)
    return value


def config_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration as plain data; what has no plain form (a device, an enum) becomes its name."""
    return {key: _plain_setting(value) for key, value in config.items()}


def _plain_setting(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Mapping):
        return {str(key): _plain_setting(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain_setting(entry) for entry in value]
    return str(value)


def save_checkpoint(state: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a RecBole checkpoint, beside its place first and then renamed."""
    config = state.pop("config")
    plain = {"config": config_values(config.final_config_dict), **to_plain(state)}
    partial = f"{path}.partial"
    torch.save(plain, partial)
    os.replace(partial, path)


def load_checkpoint(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Reads a checkpoint of tensors and plain values.

    Raises:
        DataError: If the file is missing, broken, or holds code, which is refused and never run.
    """
    try:
        checkpoint = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"no checkpoint at {path}") from error
    except UnpicklingError as error:
        raise DataError(
            f"{path} is refused: it holds more than tensors and plain values (a checkpoint of stock RecBole, or pickled "
            "code from somebody else), and loading it could run that code. Train again with this package to get a "
            "checkpoint without code."
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read as a checkpoint: {error}") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise DataError(f"{path} is no RecBole checkpoint: it has no 'state_dict'")
    return checkpoint


def _pack_array(array: np.ndarray) -> dict[str, Any]:
    kind = "matrix" if isinstance(array, np.matrix) else "array"
    if array.dtype.kind in "biufc":
        return {_KIND: kind, "data": torch.from_numpy(np.array(array))}
    if array.dtype == object:
        return {_KIND: "objects", "data": [to_plain(entry) for entry in array.ravel()], "shape": list(array.shape)}
    return {_KIND: "strings", "data": array.tolist()}


def _pack_sparse(matrix: Any) -> dict[str, Any]:
    entries = matrix.tocoo()
    parts = {"data": entries.data, "row": entries.row, "col": entries.col}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
    modern = isinstance(matrix, sp.sparray)
    return {_KIND: "sparse", "format": matrix.format, "modern": modern, "shape": list(matrix.shape), **tensors}


def _unpack_sparse(packed: dict[str, Any], _: Any) -> Any:
    data, row, col = (packed[name].cpu().numpy() for name in ("data", "row", "col"))
    build = sp.coo_array if packed["modern"] else sp.coo_matrix
    return build((data, (row, col)), shape=tuple(packed["shape"])).asformat(packed["format"])


def _unpack_objects(packed: dict[str, Any], _: Any) -> np.ndarray:
    array = np.empty(len(packed["data"]), dtype=object)
    array[:] = [from_plain(entry) for entry in packed["data"]]
    return array.reshape(packed["shape"])


def _pack_module(module: nn.Module) -> dict[str, Any]:
    return {_KIND: "module", "state_dict": dict(module.state_dict())}


def _unpack_module(packed: dict[str, Any], current: Any) -> nn.Module:
    if not isinstance(current, nn.Module):
        raise DataError("the checkpoint holds a module that this model does not have")
    current.load_state_dict(packed["state_dict"])
    return current


_PACKERS: dict[type, Any] = {
    Enum: lambda value: value.name,
    np.generic: lambda value: value.item(),
    np.ndarray: _pack_array,
    sp.sparray: _pack_sparse,
    sp.spmatrix: _pack_sparse,
    nn.Module: _pack_module,
    set: lambda value: {_KIND: "set", "data": [to_plain(entry) for entry in sorted(value)]},
    Path: str,
    torch.device: str,
}

_UNPACKERS: dict[str, Any] = {
    "array": lambda packed, _: packed["data"].cpu().numpy(),
    "matrix": lambda packed, _: np.asmatrix(packed["data"].cpu().numpy()),
    "strings": lambda packed, _: np.array(packed["data"]),
    "objects": _unpack_objects,
    "sparse": _unpack_sparse,
    "module": _unpack_module,
    "set": lambda packed, _: set(packed["data"]),
}
