"""What training may read in place of an item's text: versions that are made, and tokenised, once beforehand.

Fields left out; words of another language by a bilingual dictionary (Qin et al., IJCAI 2020, "CoSDA-ML"); translations
there and back (Sennrich et al., ACL 2016).
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recbole_xlrec.model.bert.tokens import Ids, Ragged
from recbole_xlrec.text.template import Part, parse_template

_WORD = re.compile(r"\w+")


class Choice(NamedTuple):
    """Numbered versions of each item's text.

    Attributes:
        share: Of the texts that are replaced.
        texts: One row an item, of the numbers of its versions; none where it has none.
    """

    share: float
    texts: Ragged

    def draw(self, items: Ids, texts: Ids) -> Ids:
        """(any,) items and their texts → (any,) one of the versions of each, or the text itself."""
        counts = self.texts.lengths[items]
        places = self.texts.starts[items] + (np.random.random(len(items)) * counts).astype(np.int64)
        return np.where(counts > 0, np.append(self.texts.values, 0)[np.where(counts > 0, places, 0)], texts)


class Variants(NamedTuple):
    """Versions of each item's text.

    Attributes:
        share: Of the texts that are replaced.
        versions: (items,) versions of each, none of them empty or the text itself.
    """

    share: float
    versions: list[list[str]]

    @classmethod
    def of(cls, share: float, texts: Sequence[str], versions: Sequence[Sequence[str]]) -> Variants:
        """Keeps each version once that is neither empty nor the text itself."""
        kept = [
            list(dict.fromkeys(version for version in found if version and version != text))
            for text, found in zip(texts, versions, strict=True)
        ]
        return cls(share, kept)

    def numbered(self, number: Callable[[Sequence[str]], Ids]) -> Choice:
        """With numbers in place of texts."""
        flat = [version for found in self.versions for version in found]
        starts = np.cumsum([0, *map(len, self.versions)])
        return Choice(self.share, Ragged(starts, number(flat)))


def without_fields(template: str) -> list[str]:
    """Templates with one field less each, and what belongs to it; none where there is only one field.

    Example:
        >>> without_fields("{title} ({year}). {genres}")
        ['({year}). {genres}', '{title}. {genres}', '{title} ({year})']
    """
    fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    parts = parse_template(template, fields)
    if len(parts) < 2:
        return []
    return [_joined([part for place, part in enumerate(parts) if place != gone]) for gone in range(len(parts))]


def _joined(parts: Sequence[Part]) -> str:
    """The template that `parse_template` would make these parts of."""

    def escaped(text: str) -> str:
        return text.replace("{", "{{").replace("}", "}}")

    written = [f"{escaped(part.before)}{{{part.field}}}{escaped(part.after)}" for part in parts]
    separators = ["", *(escaped(part.separator) for part in parts[1:])]
    return "".join(separator + text for separator, text in zip(separators, written, strict=True))


def code_switched(
    texts: Sequence[str], dictionary: Mapping[str, Sequence[str]], share: float, versions: int, seed: int
) -> list[list[str]]:
    """Versions of each text with words translated, each word by one of its translations.

    Args:
        texts: Texts.
        dictionary: Translations of lower-case words.
        share: Of the words that the dictionary has.
        versions: Of each text.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)

    def translate(match: re.Match[str]) -> str:
        found = dictionary.get(match[0].casefold())
        if found is None or random.random() >= share:
            return match[0]
        return found[int(random.integers(len(found)))]

    return [[_WORD.sub(translate, text) for _ in range(versions)] for text in texts]
