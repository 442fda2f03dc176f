"""``model.safetensors``: a trained model's parameters and what RecBole calls its other parameters."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from recbole_xlrec.bridge.checkpoint import to_plain
from recbole_xlrec.data.files import replacing
from recbole_xlrec.errors import DataError


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes a RecBole model; only tensors and, in the header, plain values."""
    tensors: dict[str, torch.Tensor] = {}
    tree = {"state_dict": dict(model.state_dict()), "other_parameter": to_plain(model.other_parameter())}
    described = json.dumps(_take_tensors(tree, tensors))
    with replacing(Path(path)) as partial:
        save_file(tensors, partial, metadata={"tree": described})


def load_model(model: Any, path: str | os.PathLike[str], device: str = "cpu") -> None:
    """Restores a model of the same configuration and dataset from `save_model`'s file.

    Args:
        model: On any device.
        path: The file.
        device: Where its other parameters that are tensors go.

    Raises:
        DataError: If the file is missing or broken, or does not fit the model.
    """
    try:
        with safe_open(str(path), framework="pt", device=device) as stored:
            names = stored.keys()
            tree = json.loads(stored.metadata()["tree"])
            tree = _put_tensors(tree, {name: stored.get_tensor(name) for name in names})
        model.load_state_dict(tree["state_dict"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a model: {error}") from error
    except RuntimeError as error:
        raise DataError(f"{path} does not fit this model: {error}") from error
    model.load_other_parameter(tree["other_parameter"])  # unpacked by the shim of `compat`


def _take_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The tree as JSON, which has lists and string keys only: each container and tensor says what it is."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        pairs = [list(value), list(value.values())]
        return {"dict": [[_take_tensors(entry, tensors) for entry in part] for part in pairs]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_take_tensors(entry, tensors) for entry in value]}
    return value


def _put_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        keys, values = ([_put_tensors(entry, tensors) for entry in part] for part in content)
        return dict(zip(keys, values, strict=True))
    entries = [_put_tensors(entry, tensors) for entry in content]
    return tuple(entries) if kind == "tuple" else entries
