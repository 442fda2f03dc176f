"""What a user can ask of a conversion."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from recbole_xlrec.convert.base import Source
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import normalise_languages
from recbole_xlrec.errors import ConfigError

IDENTITIES = ("item", "edition")


@dataclass(frozen=True)
class Options:
    """How to clean, filter and name what a source holds.

    Attributes:
        name: The dataset's name.
        languages: Keep only these, in standard form; all if empty.
        identity: `item`: an id is one item in all languages; `edition`: one a language, `<lang>:<id>`.
        min_rating: Keep ratings from here on, and feedback without a rating.
        user_core: Least interactions of a user, after all filters.
        item_core: Least interactions of an item, after all filters.
        sample_users: Keep so many users, drawn after the other filters.
        seed: Of the draw.
        all_items: Keep items without interactions too.
        whole: Write one file of interactions where the source comes in splits.
        sequences: Longest history in files for RecBole's sequential models, of sources in splits; 0: no such files.
        negatives: Keep items that were shown and not chosen, with `label` 0.
        detect: Detect the language of items that have none.
        detect_threshold: Least confidence in a language; `und` below it.
        encoding: Of the raw text files; the source's usual one if empty.
        max_rejected: Largest share of a file's rows that may be broken or incomplete.
        settings: The source's own options.
    """

    name: str
    languages: tuple[str, ...] = ()
    identity: str = "item"
    min_rating: float | None = None
    user_core: int = 1
    item_core: int = 1
    sample_users: int | None = None
    seed: int = 2020
    all_items: bool = False
    whole: bool = False
    sequences: int = 0
    negatives: bool = False
    detect: bool = False
    detect_threshold: float = 0.5
    encoding: str = ""
    max_rejected: float = 0.1
    settings: Mapping[str, str] = field(default_factory=dict)

    def checked(self, source: Source) -> Options:
        """Returns the options with languages and encoding in standard form.

        Raises:
            ConfigError: A value is out of range, or the source has no such option.
            DataError: A language is not known.
        """
        if self.identity not in IDENTITIES:
            raise ConfigError(f"--identity {self.identity}: choose item or edition.")
        if not self.name or set(self.name) & set("/\\:\t\n ") or self.name.startswith("."):
            raise ConfigError(f"--name {self.name!r}: use letters, digits, '-', '_' and '.', as RecBole names files.")
        for key, least in (("user_core", 1), ("item_core", 1), ("sample_users", 1), ("seed", 0), ("sequences", 0)):
            value = getattr(self, key)
            if value is not None and value < least:
                raise ConfigError(f"--{key.replace('_', '-')} {value}: must be at least {least}.")
        for key in ("detect_threshold", "max_rejected"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"--{key.replace('_', '-')} {getattr(self, key)}: a share between 0 and 1.")
        for key in self.settings:
            if key not in source.options:
                known = ", ".join(source.options) or "none"
                hint = did_you_mean(key, source.options)
                raise ConfigError(f"--option {key}: {source.name} has no such option.{hint} It has: {known}.")
        encoding = _encoding(self.encoding) if self.encoding else ""
        return replace(self, languages=tuple(normalise_languages(self.languages)), encoding=encoding)


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name).name
    except LookupError as error:
        raise ConfigError(f"--encoding {name}: not known. Usual ones: utf-8, latin-1, cp1252, utf-16.") from error
    return "utf-8" if found == "utf-8-sig" else found
