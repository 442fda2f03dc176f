"""What a model's vocabulary makes of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def token_measures(tokenizer: Any, texts: Sequence[str], window: int | None) -> dict[str, float | None]:
    """Tokens a text, the share of tokens that the vocabulary lacks, and of texts longer than the model's window.

    Args:
        tokenizer: Of transformers.
        texts: Of one language.
        window: Tokens that the model reads, its own special ones among them; None for all.
    """
    bare = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    special = tokenizer.num_special_tokens_to_add()
    counts = [len(tokens) for tokens in bare]
    unknown = tokenizer.unk_token_id
    lacking = sum(tokens.count(unknown) for tokens in bare) if unknown is not None else 0
    return {
        "tokens": sum(counts) / len(counts),
        "tokens_per_character": sum(counts) / max(1, sum(map(len, texts))),
        "unknown": lacking / max(1, sum(counts)),
        "cut": sum(count + special > window for count in counts) / len(counts) if window else 0.0,
    }
