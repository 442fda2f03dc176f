"""Texts longer than a model's window: cut in pieces that fit, whose vectors are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import EncoderError


class LongTexts:
    """The pieces of some texts; a text that fits is one piece.

    Args:
        originals: Texts, none of them empty.
        tokenizer: Of the model; must know where in the text a token stands.
        window: Tokens that the model reads, prompt and special tokens among them; None for all.
        prompt: Put before every piece.
        name: Of the encoder, for messages.

    Attributes:
        texts: All pieces.
        owners: (pieces,) the text that each belongs to, ascending.
        weights: (pieces,) its share of the tokens of its text.

    Raises:
        EncoderError: The tokenizer does not know the places of its tokens, or the prompt leaves no room.
    """

    def __init__(
        self, originals: Sequence[str], tokenizer: Any, window: int | None, prompt: str, name: str = "encoder"
    ) -> None:
        if tokenizer is None or not tokenizer.is_fast:
            raise EncoderError(f"encoder {name}: its tokenizer cannot say where to cut; use encoder_long_texts: cut.")
        self.texts: list[str] = []
        owners, counts = [], []
        room = _room(tokenizer, window, prompt, name)
        options = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
        places = tokenizer(list(originals), **options)["offset_mapping"]
        for owner, (text, offsets) in enumerate(zip(originals, places, strict=True)):
            for piece, count in _pieces(text, offsets, room):
                self.texts.append(piece)
                owners.append(owner)
                counts.append(count)
        self.owners = np.array(owners)
        totals = np.bincount(self.owners, weights=counts)
        self.weights = np.array(counts) / totals[self.owners]

    def pool(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(pieces, dim) to (texts, dim): the mean of a text's pieces by their tokens, as long as its pieces are."""
        starts = np.flatnonzero(np.diff(self.owners, prepend=-1))
        pooled = np.add.reduceat(vectors * self.weights[:, None], starts, axis=0)  # (texts, dim)
        lengths = np.add.reduceat(np.linalg.norm(vectors, axis=1) * self.weights, starts)
        found = np.linalg.norm(pooled, axis=1)
        scale = np.divide(lengths, found, out=np.ones_like(lengths), where=found > 0)
        return np.asarray(pooled * scale[:, None], dtype=np.float32)


def _room(tokenizer: Any, window: int | None, prompt: str, name: str) -> int | None:
    if window is None:
        return None
    taken = len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) if prompt else 0
    room = int(window - taken - tokenizer.num_special_tokens_to_add()) - 1  # a cut inside a word may add a token
    if room < 1:
        raise EncoderError(f"encoder {name}: the prompt takes {taken} of the {window} tokens and leaves none for text.")
    return room


def _pieces(text: str, offsets: Sequence[tuple[int, int]], room: int | None) -> list[tuple[str, int]]:
    """The pieces, each with its tokens."""
    if room is None or len(offsets) <= room + 1:
        return [(text, max(1, len(offsets)))]
    starts = range(0, len(offsets), room)
    cuts = [0, *(offsets[start][0] for start in starts[1:]), len(text)]
    found = []
    for start, left, right in zip(starts, cuts, cuts[1:], strict=False):
        if text[left:right].strip():
            found.append((text[left:right].strip(), min(room, len(offsets) - start)))
    return found
