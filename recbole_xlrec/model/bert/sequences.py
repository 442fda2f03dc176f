"""What the language model reads: histories and items as sequences of tokens, put together by array operations alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from recbole_xlrec.model.bert.tokens import Ids, Ragged


class Specials(NamedTuple):
    """Special tokens of a language model, as its tokenizer sets them; of one text, or of two (`between`).

    Attributes:
        before: (any,) at the beginning.
        between: (any,) after the first text.
        after: (any,) at the end.
        types: Whether the second text has another token type, as BERT's has.
    """

    before: Ids
    between: Ids
    after: Ids
    types: bool

    def __len__(self) -> int:
        """How many there are."""
        return len(self.before) + len(self.between) + len(self.after)


def separator(tokenizer: Any) -> int | None:
    """The token between the items of a history."""
    found = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    return None if found is None else int(found)


def specials(tokenizer: Any, pair: bool, prompt: str = "") -> Specials:
    """Finds the special tokens; a prompt counts as one of them, and stands before the first text."""
    encoded = tokenizer("a", "a") if pair else tokenizer("a")
    tokens, owners = np.asarray(encoded["input_ids"]), encoded.sequence_ids(0)
    places = [[place for place, owner in enumerate(owners) if owner == text] for text in range(1 + pair)]
    begin, end = places[0][0], places[-1][-1] + 1
    between = tokens[places[0][-1] + 1 : places[1][0]] if pair else tokens[:0]
    joint = separator(tokenizer)
    if pair and not len(between) and joint is not None:
        between = np.array([joint])
    types = pair and encoded.get("token_type_ids", [0] * len(tokens))[places[1][0]] == 1 if pair else False
    before = [*tokens[:begin], *(tokenizer(prompt, add_special_tokens=False)["input_ids"] if prompt else [])]
    return Specials(np.asarray(before, dtype=np.int64), between, tokens[end:], bool(types))


class Sequences(NamedTuple):
    """Whole inputs.

    Attributes:
        tokens: One row an input.
        seconds: (rows,) where the second text begins; None where token types are all the same.
    """

    tokens: Ragged
    seconds: Ids | None

    def padded(self, rows: Ids, device: torch.device) -> dict[str, torch.Tensor]:
        """Some of the inputs, each (chosen, longest of them), padded on the right."""
        lengths = self.tokens.lengths[rows]  # (chosen,)
        steps = np.arange(lengths.max(initial=1))
        there = steps < lengths[:, None]  # (chosen, longest)
        places = np.where(there, self.tokens.starts[rows][:, None] + steps, 0)
        batch = {"input_ids": np.where(there, self.tokens.values[places], 0), "attention_mask": there.astype(np.int64)}
        if self.seconds is not None:
            batch["token_type_ids"] = (there & (steps >= self.seconds[rows][:, None])).astype(np.int64)
        return {name: torch.from_numpy(values.astype(np.int64)).to(device) for name, values in batch.items()}


class Writer:
    """Puts inputs together.

    Args:
        texts: Tokens of each text.
        special: Special tokens.
        joint: The token between the items of a history; None for none.
        longest: Tokens of an input at most; more are cut from the end of the history, where its oldest items are.
    """

    def __init__(self, texts: Ragged, special: Specials, joint: int | None, longest: int) -> None:
        self.texts, self.special, self.longest = texts, special, longest
        self.joint = np.array([] if joint is None else [joint], dtype=np.int64)

    def write(self, count: int, history: tuple[Ids, Ids] | None, items: Ids | None) -> Sequences:
        """Writes inputs of a history, of an item, or of both.

        Args:
            count: How many.
            history: (listed,) the input that a text belongs to, ascending, and (listed,) the text; newest first.
            items: (inputs,) the text of the item.
        """
        special, rows = self.special, np.arange(count)
        own = self.texts.lengths[items] if items is not None else np.zeros(count, dtype=np.int64)
        owners, texts = history if history is not None else (rows[:0], rows[:0])
        offsets, lengths, joints = self._history(owners, texts, self.longest - len(special) - own)
        past = np.bincount(owners, weights=lengths + joints, minlength=count).astype(np.int64)  # (inputs,)
        sizes = len(special) + past + own
        starts = np.concatenate([[0], np.cumsum(sizes)])
        values = np.empty(int(starts[-1]), dtype=np.int64)
        head, begin = len(special.before), starts[:-1]
        second = begin + head + past + len(special.between)
        _put(values, begin, np.tile(special.before, count), np.full(count, head))
        _put(values, second - len(special.between), np.tile(special.between, count), None)
        _put(values, starts[1:] - len(special.after), np.tile(special.after, count), None)
        at = begin[owners] + head + offsets
        _put(values, at, self._tokens(texts, lengths), lengths)
        _put(values, at + lengths, np.tile(self.joint, int((joints > 0).sum())), joints)
        if items is not None:
            _put(values, second, self._tokens(items, own), own)
        return Sequences(Ragged(starts, values), second - begin if special.types else None)

    def _history(self, owners: Ids, texts: Ids, room: Ids) -> tuple[Ids, Ids, Ids]:
        """(listed,) each: where a text begins in its history, its tokens that fit, and those of the joint after it."""
        lengths = self.texts.lengths[texts]
        last = np.append(owners[1:] != owners[:-1], True)[: len(owners)]
        joints = np.where(last, 0, len(self.joint))
        sums = np.concatenate([[0], np.cumsum(lengths + joints)])
        first = np.searchsorted(owners, owners)  # where the history of each begins
        offsets = sums[:-1] - sums[first]
        space = room[owners] - offsets
        kept = np.clip(space, 0, lengths)
        joints = np.where(space >= lengths + joints, joints, 0)
        return np.minimum(offsets, room[owners]), kept, joints

    def _tokens(self, texts: Ids, lengths: Ids) -> Ids:
        """The first tokens of texts, one text after the other."""
        begins = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(self.texts.starts[texts] - begins, lengths)
        return self.texts.values[places].astype(np.int64)


def _put(values: Ids, at: Ids, tokens: Ids, lengths: Ids | None) -> None:
    """Writes runs of tokens, given one after the other, at (runs,) places; `lengths` None: all are as long."""
    if lengths is None:
        lengths = np.full(len(at), len(tokens) // max(1, len(at)))
    begins = np.cumsum(lengths) - lengths
    values[np.arange(len(tokens)) + np.repeat(at - begins, lengths)] = tokens
