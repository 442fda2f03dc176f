"""From users and items to what the language model reads; all texts are tokenised when this is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.bert.augment import Variants
from recbole_xlrec.model.bert.base import LanguageModel
from recbole_xlrec.model.bert.options import Reading
from recbole_xlrec.model.bert.past import Past
from recbole_xlrec.model.bert.sequences import Sequences, Writer, separator, specials
from recbole_xlrec.model.bert.tokens import Ids, tokenise, warn_of_unread


class TwoTexts(NamedTuple):
    """What two towers read.

    Attributes:
        histories: Each different one once.
        history_of: (rows,) that of each row.
        items: (different,) each different one once, internal ids.
        texts: What is read of each of them.
        item_of: (rows,) that of each row.
    """

    histories: Sequences
    history_of: Ids
    items: Ids
    texts: Sequences
    item_of: Ids


class Inputs:
    """Histories and items as inputs.

    Args:
        texts: Of each item by internal id, the padding item first.
        past: Histories of the users.
        variants: What training reads in place of texts.
        model: Whose tokenizer and window count.
        reading: How much is read.
        languages: (items,) the language of each, for warnings.

    Raises:
        ConfigError: The model's window is too small for the text of one item.
    """

    def __init__(
        self,
        texts: Sequence[str],
        past: Past,
        variants: Sequence[Variants],
        model: LanguageModel,
        reading: Reading,
        languages: Sequence[str],
    ) -> None:
        self.past = past
        pair = reading.bert_form == "cross"
        special = specials(model.tokenizer, pair, "" if pair else model.prompt)
        longest = min(reading.max_tokens, model.window)
        if len(special) + reading.text_tokens > longest:
            raise ConfigError(
                f"text_tokens: {reading.text_tokens} and {len(special)} special tokens are more than the {longest} "
                f"that encoder {model.name} is given (max_tokens: {reading.max_tokens}, its window: {model.window})"
            )
        known: dict[str, int] = {}
        self.text_of = _numbers(texts, known)  # (items,)
        self.choices = [variant.numbered(lambda found: _numbers(found, known)) for variant in variants]
        found = tokenise(list(known), model.tokenizer, reading.text_tokens)
        codes, numbers = np.asarray(languages[1:], dtype=str), self.text_of[1:]
        groups = {str(tag): np.unique(numbers[codes == tag]) for tag in np.unique(codes)}
        warn_of_unread(found, groups, model.name, reading.text_tokens)
        self.writer = Writer(found.tokens, special, separator(model.tokenizer), longest)

    def pairs(self, users: Ids, items: Ids, training: bool) -> Sequences:
        """(rows,) each → one input a row: history and item."""
        owners, past = self.past.of_rows(users, self.past.left_out(users, items, training))
        return self.writer.write(len(users), (owners, self._texts(past, training)), self._texts(items, training))

    def towers(self, users: Ids, items: Ids, training: bool) -> TwoTexts:
        """(rows,) each → histories and items, each different one once."""
        asked = np.stack([users, self.past.left_out(users, items, training)])  # (2, rows)
        asked, history_of = np.unique(asked, axis=1, return_inverse=True)
        owners, past = self.past.of_rows(*asked)
        histories = self.writer.write(asked.shape[1], (owners, self._texts(past, training)), None)
        different, item_of = np.unique(items, return_inverse=True)
        return TwoTexts(histories, history_of.ravel(), different, self.items(different, training), item_of)

    def items(self, items: Ids, training: bool = False) -> Sequences:
        """(rows,) → one input an item."""
        return self.writer.write(len(items), None, self._texts(items, training))

    def _texts(self, items: Ids, training: bool) -> Ids:
        """(any,) items → (any,) the number of the text to read."""
        texts = self.text_of[items]
        if not training or not self.choices or not len(items):
            return texts
        drawn, left = np.random.random(len(items)), np.zeros(len(items))  # RecBole seeds the global generator
        for choice in self.choices:
            here = (drawn >= left) & (drawn < left + choice.share)
            texts = np.where(here, choice.draw(items, texts), texts)
            left = left + choice.share
        return texts


def _numbers(texts: Sequence[str], known: dict[str, int]) -> Ids:
    """(texts,) the number of each; new ones are added to those known."""
    return np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int64)
