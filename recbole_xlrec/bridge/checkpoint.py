"""Checkpoints of tensors and plain values only, never pickled code.

RecBole saves its whole ``Config`` object and NumPy/SciPy matrices inside a checkpoint, which PyTorch >= 2.6 rightly
refuses to load (RecBole #2215, #2212, #2216). Here everything is turned into tensors, numbers, strings and containers
of these before it is written, and turned back after ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from recbole_xlrec.data.files import replacing
from recbole_xlrec.errors import DataError

_KIND = "__xlrec__"
_SCALARS = (bool, int, float, str)


def to_plain(value: Any) -> Any:
    """Turns a value into tensors, plain values and containers of these.

    Args:
        value: Tensors, NumPy and SciPy arrays, modules, enums, paths, and any nesting of dicts, lists, tuples and sets.

    Returns:
        The same information in types that ``torch.load(weights_only=True)`` accepts.

    Raises:
        DataError: For an object of any other type, since only code could restore it.
    """
    if value is None or (isinstance(value, (*_SCALARS, torch.Tensor)) and not isinstance(value, (Enum, np.generic))):
        return value
    for kind, pack in _PACKERS.items():  # before Mapping: a DOK matrix is one too
        if isinstance(value, kind):
            return pack(value)
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        plain = [to_plain(entry) for entry in value]
        return plain if isinstance(value, list) else tuple(plain)
    raise _unwritable(value)


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
    if isinstance(value, np.generic):
        return value.item() if isinstance(value.item(), _SCALARS) else str(value)
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain_setting(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_setting(entry) for entry in value]
    if isinstance(value, (set, frozenset)):
        return [_plain_setting(entry) for entry in _in_order(value)]
    return str(value)


def save_checkpoint(state: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a RecBole checkpoint, beside its place first and then renamed.

    Raises:
        DataError: If something in it has no plain form.
    """
    config = config_values(state["config"].final_config_dict)
    plain = {"config": config, **{key: to_plain(value) for key, value in state.items() if key != "config"}}
    with replacing(path) as partial:
        torch.save(plain, partial)


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
            f"{path} is refused: it is damaged, or it holds more than tensors and plain values (a checkpoint of stock "
            "RecBole, or pickled code from somebody else), and loading it could run that code. Train again with this "
            "package to get a checkpoint without code."
        ) from error
    except Exception as error:  # a cut or altered pickle raises nearly anything
        raise DataError(f"{path} cannot be read as a checkpoint ({type(error).__name__}: {error})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise DataError(f"{path} is no RecBole checkpoint: it has no 'state_dict'")
    return checkpoint


def _unwritable(value: object) -> DataError:
    kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    return DataError(f"a checkpoint holds tensors and plain values only; {kind} cannot be written")


def _in_order(values: Iterable[Any]) -> list[Any]:
    """A set's values in the same order every time, whatever their types."""
    return sorted(values, key=lambda value: (type(value).__name__, repr(value)))


def _pack_scalar(value: np.generic) -> Any:
    plain = value.item()
    if not isinstance(plain, _SCALARS):
        raise _unwritable(value)
    return plain


def _pack_array(array: np.ndarray) -> dict[str, Any]:
    packed = {"matrix": isinstance(array, np.matrix), "shape": list(array.shape)}
    plain = np.array(array, order="C", subok=False)
    if plain.dtype == object:
        return {_KIND: "objects", "data": [to_plain(entry) for entry in plain.ravel()], **packed}
    if plain.dtype.fields or plain.dtype.hasobject:
        raise _unwritable(plain)
    try:
        return {_KIND: "array", "data": torch.from_numpy(plain), **packed}
    except (TypeError, ValueError):  # text, dates and other types that torch has not
        data = torch.from_numpy(plain.reshape(-1).view(np.uint8))
        return {_KIND: "bytes", "data": data, "dtype": plain.dtype.str, **packed}


def _unpack_array(packed: dict[str, Any], _: Any) -> np.ndarray:
    return _shaped(packed["data"].cpu().numpy(), packed)


def _unpack_bytes(packed: dict[str, Any], _: Any) -> np.ndarray:
    return _shaped(packed["data"].cpu().numpy().view(packed["dtype"]), packed)


def _unpack_objects(packed: dict[str, Any], _: Any) -> np.ndarray:
    array = np.empty(len(packed["data"]), dtype=object)
    for place, entry in enumerate(packed["data"]):  # one by one: an entry may be a sequence itself
        array[place] = from_plain(entry)
    return _shaped(array, packed)


def _shaped(array: np.ndarray, packed: dict[str, Any]) -> np.ndarray:
    shaped = array.reshape(packed["shape"])
    return np.asmatrix(shaped) if packed["matrix"] else shaped


def _pack_sparse(matrix: Any) -> dict[str, Any]:
    entries = matrix.tocoo()
    return {
        _KIND: "sparse",
        "format": matrix.format,
        "modern": isinstance(matrix, sp.sparray),
        "shape": list(matrix.shape),
        "data": _pack_array(entries.data),
        "coords": [_pack_array(part) for part in entries.coords],
    }


def _unpack_sparse(packed: dict[str, Any], _: Any) -> Any:
    build = sp.coo_array if packed["modern"] else sp.coo_matrix
    coords = tuple(from_plain(part) for part in packed["coords"])
    return build((from_plain(packed["data"]), coords), shape=tuple(packed["shape"])).asformat(packed["format"])


def _pack_module(module: nn.Module) -> dict[str, Any]:
    return {_KIND: "module", "state_dict": dict(module.state_dict())}


def _unpack_module(packed: dict[str, Any], current: Any) -> nn.Module:
    if not isinstance(current, nn.Module):
        raise DataError("the checkpoint holds a module that this model does not have")
    current.load_state_dict(packed["state_dict"])
    return current


def _pack_set(values: set[Any] | frozenset[Any]) -> dict[str, Any]:
    kind = "set" if isinstance(values, set) else "frozenset"
    return {_KIND: kind, "data": [to_plain(entry) for entry in _in_order(values)]}


_PACKERS: dict[type, Any] = {
    Enum: lambda value: value.name,
    np.generic: _pack_scalar,
    np.ndarray: _pack_array,
    sp.sparray: _pack_sparse,
    sp.spmatrix: _pack_sparse,
    nn.Module: _pack_module,
    set: _pack_set,
    frozenset: _pack_set,
    Path: str,
    torch.device: str,
}

_UNPACKERS: dict[str, Any] = {
    "array": _unpack_array,
    "bytes": _unpack_bytes,
    "objects": _unpack_objects,
    "sparse": _unpack_sparse,
    "module": _unpack_module,
    "set": lambda packed, _: {from_plain(entry) for entry in packed["data"]},
    "frozenset": lambda packed, _: frozenset(from_plain(entry) for entry in packed["data"]),
}
