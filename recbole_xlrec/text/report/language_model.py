"""How well a language model predicts the texts of each language, where an encoder's folder holds one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_xlrec.errors import EncoderError
from recbole_xlrec.text.encoders.model_files import read_json

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

MASKED_SHARE = 0.15
_HEADS = {"ForMaskedLM": "masked", "ForCausalLM": "causal", "LMHeadModel": "causal"}
_IGNORED = -100  # where transformers and PyTorch expect no label


class LanguageModel(NamedTuple):
    """A loaded model.

    Attributes:
        kind: masked | causal.
        model: With its head.
        tokenizer: Its tokenizer.
        window: Tokens that it reads.
    """

    kind: str
    model: Any
    tokenizer: Any
    window: int


def model_kind(folder: Path) -> str | None:
    """Says whether the folder's weights are those of a masked or a causal language model, by `config.json`; or None."""
    names = (read_json(folder / "config.json") or {}).get("architectures") or []
    return next((kind for name in names for end, kind in _HEADS.items() if name.endswith(end)), None)


def load_language_model(folder: Path, kind: str, device: str | None = None) -> LanguageModel:
    """Loads a model with its head.

    Raises:
        EncoderError: It cannot be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    loader = AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = loader.from_pretrained(folder).eval().to(device or "cpu")
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        raise EncoderError(f"encoder {folder}: its language model cannot be loaded ({error}).") from error
    window = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512), 512)
    return LanguageModel(kind, model, tokenizer, window)


def perplexity(
    language_model: LanguageModel, texts: Sequence[str], batch_size: int = 16, seed: int = 0
) -> dict[str, float | int | None]:
    """Perplexity and accuracy on the tokens that the model has to predict.

    A causal model predicts every token but a text's first; a masked one the 15 % that are hidden, drawn by the seed.
    Perplexities are of tokens: compare languages of one model, and not models of different vocabularies.

    Args:
        language_model: See `load_language_model`.
        texts: Of one language.
        batch_size: Texts at once.
        seed: Of the masked tokens.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    loss = hits = count = 0.0
    ordered = sorted(texts, key=len)
    for start in range(0, len(ordered), batch_size):
        inputs, labels = _batch(language_model, ordered[start : start + batch_size], generator)
        with torch.inference_mode():
            logits = language_model.model(**inputs).logits.float()  # (batch, tokens, vocabulary)
        if language_model.kind == "causal":
            logits, labels = logits[:, :-1], labels[:, 1:]
        asked = labels != _IGNORED
        known, wanted = logits[asked], labels[asked]  # (asked, vocabulary), (asked,)
        loss += float(torch.nn.functional.cross_entropy(known, wanted, reduction="sum"))
        hits += int((known.argmax(dim=1) == wanted).sum())
        count += len(wanted)
    if not count:
        return {"perplexity": None, "accuracy": None, "predicted": 0}
    exact = float(torch.tensor(loss / count, dtype=torch.float64).exp())
    return {"perplexity": exact, "accuracy": hits / count, "predicted": int(count)}


def _batch(
    language_model: LanguageModel, texts: Sequence[str], generator: torch.Generator
) -> tuple[dict[str, Any], torch.Tensor]:
    """Inputs and labels, (batch, tokens); a label of -100 is not predicted."""
    import torch

    tokenizer, device = language_model.tokenizer, language_model.model.device
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    found = tokenizer(
        list(texts),
        padding=True,
        padding_side="right",
        truncation=True,
        max_length=language_model.window,
        return_tensors="pt",
        return_special_tokens_mask=True,
    )
    special = found.pop("special_tokens_mask").bool()
    real = found["attention_mask"].bool()
    if language_model.kind == "causal":
        hidden = real
    else:
        hidden = (torch.rand(real.shape, generator=generator) < MASKED_SHARE) & real & ~special
    labels = found["input_ids"].masked_fill(~hidden, _IGNORED)
    if language_model.kind == "masked":
        found["input_ids"] = found["input_ids"].masked_fill(hidden, tokenizer.mask_token_id)
    return {name: tensor.to(device) for name, tensor in found.items()}, labels.to(device)
