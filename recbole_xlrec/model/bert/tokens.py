"""Texts as tokens: each distinct text is tokenised once, and lies in one flat array with the others."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.text.encoders.tokens import UNKNOWN_LIMIT

logger = logging.getLogger(__name__)

Ids = NDArray[np.int64]

_AT_ONCE = 16384  # texts tokenised at a time


class Ragged(NamedTuple):
    """Rows of different length, one after the other.

    Attributes:
        starts: (rows + 1,) where each begins.
        values: (total,).
    """

    starts: Ids
    values: NDArray[Any]

    @property
    def lengths(self) -> Ids:
        """(rows,)."""
        return np.diff(self.starts)

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], dtype: Any = np.int64) -> Ragged:
        """Puts lists one after the other."""
        starts = np.cumsum([0, *map(len, rows)])
        values = np.fromiter((value for row in rows for value in row), dtype=dtype, count=int(starts[-1]))
        return cls(starts, values)


class TextTokens(NamedTuple):
    """Distinct texts as tokens, without special ones.

    Attributes:
        tokens: Each text cut to the longest that is read; int32.
        unknown: (texts,) tokens of each that the vocabulary lacks.
        cut: (texts,) whether it was longer.
    """

    tokens: Ragged
    unknown: Ids
    cut: NDArray[np.bool_]


def tokenise(texts: Sequence[str], tokenizer: Any, longest: int) -> TextTokens:
    """Tokenises texts, each cut to `longest` tokens."""
    blocks = []
    for start in range(0, len(texts), _AT_ONCE):
        block = list(texts[start : start + _AT_ONCE])
        found = tokenizer(block, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        blocks += [np.asarray(tokens, dtype=np.int32) for tokens in found]
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else -1
    kept = [tokens[:longest] for tokens in blocks]
    starts = np.cumsum([0, *map(len, kept)])
    values = np.concatenate([np.zeros(0, dtype=np.int32), *kept])
    lacking = np.array([int((tokens == unknown).sum()) for tokens in kept], dtype=np.int64)
    return TextTokens(Ragged(starts, values), lacking, np.array([len(tokens) > longest for tokens in blocks]))


def warn_of_unread(texts: TextTokens, groups: Mapping[str, Ids], name: str, longest: int) -> None:
    """Warns of languages whose script the vocabulary lacks, and says how many texts are cut.

    Args:
        texts: Tokenised.
        groups: The texts of each language.
        name: Of the language model.
        longest: Tokens read of a text.
    """
    for language, rows in groups.items():
        share = texts.unknown[rows].sum() / max(1, texts.tokens.lengths[rows].sum())
        if share > UNKNOWN_LIMIT:
            logger.warning(
                "encoder %s: %.1f %% of the tokens of texts in %s are not in its vocabulary; choose a model that knows "
                "the script",
                *(name, 100 * share, language),
            )
    if texts.cut.any():
        share = 100 * float(texts.cut.mean())
        logger.info("encoder %s: %.1f %% of the texts are cut to %d tokens (text_tokens)", name, share, longest)
