"""The language of texts that do not say it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from recbole_xlrec.convert.codes import UNKNOWN
from recbole_xlrec.convert.options import Options
from recbole_xlrec.errors import ConfigError

if TYPE_CHECKING:
    from lingua import LanguageDetector

#: Characters looked at: more costs time and tells little.
_LOOK = 300
_BATCH = 20_000


def filled(languages: pl.Series, texts: pl.Series, options: Options) -> pl.Series:
    """Fills in missing languages by looking at texts.

    Args:
        languages: Tags; null where they are to be found.
        texts: A text a row.
        options: `detect_threshold`, and `languages`, to which the search is limited if there are any.

    Returns:
        The tags; `und` where the text is missing or the confidence below the threshold.

    Raises:
        ConfigError: The detector is not installed.
    """
    missing = languages.is_null()
    if not missing.any():
        return languages
    wanted = texts.cast(pl.String).filter(missing).str.slice(0, _LOOK)
    different = wanted.drop_nulls().unique(maintain_order=True)
    found = detected(different.to_list(), options.languages, options.detect_threshold)
    tags = wanted.replace_strict(different, pl.Series(found, dtype=pl.String), default=UNKNOWN)
    return languages.scatter(missing.arg_true(), tags)


def detected(texts: list[str], candidates: tuple[str, ...], threshold: float) -> list[str]:
    """Returns the language of each text, `und` where no language reaches the threshold.

    Args:
        texts: The texts.
        candidates: Languages to choose from; all that the detector knows if empty.
        threshold: Least confidence, from 0 to 1.

    Raises:
        ConfigError: The detector is not installed, or does not know a candidate.
    """
    detector = _detector(tuple(sorted({tag.split("-")[0] for tag in candidates})))
    found: list[str] = []
    for start in range(0, len(texts), _BATCH):
        for values in detector.compute_language_confidence_values_in_parallel(texts[start : start + _BATCH]):
            sure = bool(values) and values[0].value >= threshold
            found.append(values[0].language.iso_code_639_1.name.lower() if sure else UNKNOWN)
    return found


@lru_cache(maxsize=4)
def _detector(candidates: tuple[str, ...]) -> LanguageDetector:
    try:
        from lingua import IsoCode639_1, LanguageDetectorBuilder
    except ImportError as error:
        raise ConfigError("Language detection needs lingua: pip install 'recbole_xlrec[detect]'") from error
    if len(candidates) < 2:
        return LanguageDetectorBuilder.from_all_languages().build()
    if unknown := [code for code in candidates if not hasattr(IsoCode639_1, code.upper())]:
        raise ConfigError(f"The detector does not know the languages {', '.join(unknown)}; leave out --detect.")
    return LanguageDetectorBuilder.from_iso_codes_639_1(*(IsoCode639_1[code.upper()] for code in candidates)).build()
