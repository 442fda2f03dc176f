"""Texts there and back: by a function of the user's, or by sequence-to-sequence models in local folders."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_xlrec.errors import ConfigError, DataError, EncoderError, sample

_FUNCTION = re.compile(r"[\w.]+:\w+")
_AT_ONCE = 32  # texts a seq2seq model translates at a time


def back_translated(texts: Sequence[str], source: str | Sequence[str], device: Any = "cpu") -> list[str]:
    """Translates texts there and back; the same list is given to the function, or to the models one after the other.

    Args:
        texts: Different texts.
        source: ``module:function``, from a list of texts to a list as long; or the folder of a seq2seq model, or two.
        device: Where models compute.

    Raises:
        ConfigError: It names no function and no folder.
        DataError: The function gives something else than as many texts.
        EncoderError: A model cannot be loaded.
    """
    if isinstance(source, str) and not Path(source).expanduser().is_dir():
        return _checked(_function(source)(list(texts)), len(texts), source)
    found = list(texts)
    for folder in [source] if isinstance(source, str) else source:
        found = _translated(found, Path(folder).expanduser(), device)
    return found


def _function(source: str) -> Any:
    if not _FUNCTION.fullmatch(source):
        raise ConfigError(
            f"back_translation {source!r} is neither a folder nor a function: write module:function, as "
            "my_package.translate:there_and_back"
        )
    module, name = source.split(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"back_translation {source}: {error}. The module must be on Python's path: install it, or name its folder "
            "in PYTHONPATH"
        ) from error
    if not callable(function):
        raise ConfigError(f"back_translation {source} is no function but a {type(function).__name__}")
    return function


def _checked(found: Any, count: int, source: str) -> list[str]:
    if not isinstance(found, (list, tuple)) or len(found) != count:
        size = f"{len(found)} texts" if isinstance(found, (list, tuple)) else f"a {type(found).__name__}"
        raise DataError(f"back_translation {source}: {size} for {count}; it must give a list with one text for each")
    wrong = [text for text in found if not isinstance(text, str)]
    if wrong:
        raise DataError(f"back_translation {source}: {len(wrong)} of {count} are not texts: {sample(wrong)}")
    return list(found)


def _translated(texts: Sequence[str], folder: Path, device: Any) -> list[str]:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True).eval().to(device)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise EncoderError(f"back_translation {folder}: no seq2seq model can be loaded from it: {reason}.") from error
    found = [""] * len(texts)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(order), _AT_ONCE):
        rows = order[start : start + _AT_ONCE]
        batch = tokenizer([texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt").to(device)
        batch.pop("token_type_ids", None)
        with torch.inference_mode():
            tokens = model.generate(**batch, do_sample=False, max_new_tokens=2 * batch["input_ids"].shape[1] + 8)
        for row, text in zip(rows, tokenizer.batch_decode(tokens, skip_special_tokens=True), strict=True):
            found[row] = text
    return found
