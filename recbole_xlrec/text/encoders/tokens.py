"""What a model's vocabulary makes of texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from recbole_xlrec.errors import sample

#: Above this share of unknown tokens, or of texts that are cut, the user is warned.
UNKNOWN_LIMIT = 0.01


def token_measures(tokenizer: Any, texts: Sequence[str], window: int | None) -> dict[str, float | None]:
    """Tokens a text, the share of tokens that the vocabulary lacks, and of texts longer than the model's window.

    Args:
        tokenizer: Of transformers.
        texts: Of one language.
        window: Tokens that the model reads, its own special ones among them; None for all.
    """
    bare = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
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


def token_warnings(tokenizer: Any, texts: Sequence[str], window: int | None) -> Iterator[str]:
    """Says where a model does not suit the texts: its vocabulary lacks their script, or they are longer than it reads.

    Args:
        tokenizer: Of transformers; None where the model has another, of which nothing is said.
        texts: Of any language.
        window: As of `token_measures`.
    """
    filled = [text for text in texts if text.strip()]
    if tokenizer is None or not filled:
        return
    found = token_measures(tokenizer, filled, window)
    if (unknown := found["unknown"] or 0.0) > UNKNOWN_LIMIT:
        lacking = [text for text in filled if (token_measures(tokenizer, [text], None)["unknown"] or 0.0) > unknown]
        shortest = sorted(lacking, key=len)
        yield (
            f"{unknown:.1%} of the tokens of {len(filled)} texts are not in the vocabulary, as of "
            f"{sample(shortest, limit=3)}. Choose an encoder that knows the script; recbole-xlrec "
            "encoder-report shows this by language"
        )
    if (cut := found["cut"] or 0.0) > UNKNOWN_LIMIT:
        yield (
            f"{cut:.1%} of {len(filled)} texts are longer than the {window} tokens that the model reads and are cut; "
            "encoder_long_texts: pool reads all of them"
        )
