"""Language tags: the one place where a language, market or locale becomes a BCP-47 tag.

Rules and registry are those of `langcodes` (RFC 5646); a language is written in its shortest form (`de`, `pt-BR`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import langcodes
import pandas as pd

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError, DataError, sample

#: Language that the shops of a market use. A market with several main languages and no usual one (BE, CH) is left out.
MARKETS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("AU", "CA", "GB", "IE", "IN", "SG", "UK", "US", "ZA"), "en"),
        **dict.fromkeys(("AE", "EG", "SA"), "ar"),
        **dict.fromkeys(("AT", "DE"), "de"),
        **dict.fromkeys(("ES", "MX"), "es"),
        **{"BR": "pt", "CN": "zh", "FR": "fr", "IT": "it", "JP": "ja", "NL": "nl", "PL": "pl", "SE": "sv", "TR": "tr"},
    }
)

#: The tag of a language that is not known.
UNKNOWN = "und"

#: Tags that are languages (Nauru, Min Nan) but, so written, nearly always a missing value; RecBole drops them as such.
_MISSING_WORDS = ("NA", "nan")


def normalise_language(tag: object) -> str:
    """Returns the standard form of a language tag.

    Args:
        tag: A BCP-47 tag in any case, with `-` or `_`; two- and three-letter codes both work; `und` is allowed.

    Raises:
        ConfigError: `tag` is not a string (YAML 1.1 reads an unquoted `no` as a boolean).
        DataError: It is not a known tag, or it is ambiguous (`UK` is a market, `uk` is Ukrainian).

    Example:
        >>> [normalise_language(tag) for tag in ("DE", "pt_br", "jpn", "cmn", "zh-CN")]
        ['de', 'pt-BR', 'ja', 'zh', 'zh-CN']
    """
    if isinstance(tag, bool):
        raise ConfigError(
            f"A language must be a string, found the boolean {tag}: YAML reads unquoted no, on, yes and off as "
            "booleans. Quote it: languages: ['no']"
        )
    if not isinstance(tag, str):
        raise ConfigError(f"A language must be a string such as 'de', found {tag!r} ({type(tag).__name__}).")
    return _standard(str(tag))


@lru_cache(maxsize=4096)
def _standard(tag: str) -> str:
    try:
        standard = langcodes.standardize_tag(tag, macro=True)
        known = langcodes.tag_is_valid(standard)
    except langcodes.LanguageTagError as error:
        raise DataError(f"{tag!r} is not a language tag.{_advice(tag)}") from error
    if not known:
        raise DataError(f"{tag!r} is not a known language tag.{_advice(tag)}")
    if tag in _MISSING_WORDS or standard in _MISSING_WORDS:
        raise DataError(
            f"The language {tag!r} is how a missing value is often written. Fill it in, or write 'und' where the "
            "language is not known ('na' for Nauru, 'nan-Hant' for Min Nan Chinese)."
        )
    if MARKETS.get(tag, standard) != standard:
        raise DataError(
            f"{tag!r} is a market as well as the language {standard!r}. Write the language in small letters: "
            f"{MARKETS[tag]!r} for the market's, {standard!r} for the other."
        )
    return standard


def _advice(tag: str) -> str:
    """Names what was probably meant: a market's language, a language's name, a tag with blanks or a wrong tail."""
    stripped = tag.strip()
    if stripped.upper() in MARKETS:
        return f" It is a market; its language is {MARKETS[stripped.upper()]!r}."
    first = stripped.replace("_", "-").split("-")[0]
    if 2 <= len(first) <= 3 and first.isalpha() and langcodes.tag_is_valid(first):
        return f" Did you mean {langcodes.standardize_tag(first, macro=True)!r}?"
    try:
        # Names are words: the look-up's index does not bear other characters.
        name = stripped if all(word.isalpha() for word in stripped.split()) else ""
        return f" Did you mean {str(langcodes.find(name))!r}?"
    except LookupError:
        return " Write a BCP-47 tag such as 'de', 'ja' or 'pt-BR', or 'und' where the language is not known."


def normalise_languages(tags: Sequence[object]) -> list[str]:
    """Returns the standard forms of a configured list of languages, in its order.

    Raises:
        ConfigError: It is not a list, or a language stands in it twice.
        DataError: A tag is not known.

    Example:
        >>> normalise_languages(["DE", "pt_BR"])
        ['de', 'pt-BR']
    """
    if isinstance(tags, (str, bytes)) or not isinstance(tags, Sequence):
        raise ConfigError(f"languages must be a list, found {tags!r}. Write languages: [{tags if tags else 'de'!r}]")
    found = [normalise_language(tag) for tag in tags]
    repeated = [
        f"{tag} ({language})"
        for place, (tag, language) in enumerate(zip(tags, found, strict=True))
        if language in found[:place]
    ]
    if repeated:
        raise ConfigError(f"languages lists the same language twice: {sample(repeated)}. Keep one of each.")
    return found


def language_of_market(market: str) -> str:
    """Returns the language of a market or locale of the known sources, in any case.

    Raises:
        DataError: The market is not known; the message lists those that are.

    Example:
        >>> language_of_market("UK"), language_of_market("jp")
        ('en', 'ja')
    """
    found = MARKETS.get(market.strip().upper()) if isinstance(market, str) else None
    if found is None:
        raise DataError(
            f"No language is known for the market {market!r}.{did_you_mean(str(market).upper(), MARKETS)} "
            f"Known markets: {', '.join(sorted(MARKETS))}."
        )
    return found


def normalise_column(values: pd.Series, where: str) -> pd.Series:
    """Returns a column of language tags in standard form; each different value is looked at once.

    Args:
        values: The tags, one a row.
        where: File and column for the error message, such as `"toy.item: column 'language'"`.

    Raises:
        DataError: Some rows hold no known language: says how many, the first few values, and what to do.

    Example:
        >>> normalise_column(pd.Series(["DE", "ja", "DE"]), "toy.item: column 'language'").tolist()
        ['de', 'ja', 'de']
    """
    codes, uniques = pd.factorize(values.astype(object), use_na_sentinel=False)
    standard: list[str] = []
    problems: dict[int, str] = {}
    for code, value in enumerate(uniques):
        try:
            standard.append(normalise_language(value))
        except (ConfigError, DataError) as error:
            standard.append("")
            problems[code] = str(error) if value != "" else "It is empty; write 'und' where it is not known."
    if problems:
        rows = int(pd.Series(codes).isin(list(problems)).sum())
        bad = sample(uniques[code] for code in problems)
        first = next(iter(problems.values()))
        raise DataError(f"{where}: {rows} of {len(values)} rows hold no usable language tag: {bad}. {first}")
    return pd.Series(pd.Series(standard, dtype=object).to_numpy()[codes], index=values.index, name=values.name)
