"""Texts of items as a reader should see them: entities, tags, wrong decodings, control characters and blanks mended."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable

import ftfy
import polars as pl

#: Longest text that is kept, in characters.
LONGEST = 32_768

_ENTITY = r"&(#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]+);"
#: Tags of HTML; `<harmony/>` is a title.
_TAG = (
    r"(?i)</?(?:a|b|i|u|p|s|em|br|hr|li|ol|ul|dl|dt|dd|td|th|tr|h[1-6]|div|img|pre|sub|sup|big|font|span|small|strong|"
    r"center|code|table|tbody|thead|strike|iframe|script|style|blockquote)(?:\s[^<>]{0,1000})?/?>|<!--.{0,1000}?-->"
)
#: UTF-8 read as Windows-1252 or Latin-1: a lead byte's letter followed by a continuation byte's.
_SUSPECT = (
    r"[\x{80}-\x{9f}]|[\x{c2}-\x{f4}][\x{80}-\x{bf}"
    r"\x{152}\x{153}\x{160}\x{161}\x{178}\x{17d}\x{17e}\x{192}\x{2c6}\x{2dc}\x{2013}\x{2014}\x{2018}-\x{201a}"
    r"\x{201c}-\x{201e}\x{2020}-\x{2022}\x{2026}\x{2030}\x{2039}\x{203a}\x{20ac}\x{2122}]"
)
_INVISIBLE = r"[\x{200b}\x{2060}\x{feff}\x{ad}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]"
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}\s]+"
#: What `_CONTROL` matches and is not a single blank.
_UNEVEN = r"[\x00-\x1f\x7f-\x{9f}]|[\s&&[^ ]]|  "
_NOT_ASCII = r"[^\x00-\x7f]"
_LOST = "\ufffd"


def clean(texts: pl.Series, found: Counter[str]) -> pl.Series:
    r"""Returns texts without markup, wrong decodings and control characters, in Unicode form NFC, blanks single.

    Args:
        texts: Text; null where there is none.
        found: Counts what was mended, by kind.

    Returns:
        The texts; null where nothing is left.

    Example:
        >>> clean(pl.Series(["Caf&eacute;<br />cr\u00c3\u00a8me\x00", " \t "]), Counter()).to_list()
        ['Café crème', None]
    """
    texts = _mend(texts, _ENTITY, html.unescape, "HTML entities resolved", found)
    tagged = texts.str.contains(_TAG)
    if tagged.any():
        found["HTML tags removed"] += int(tagged.sum())
        texts = texts.str.replace_all(_TAG, " ")
    texts = _mend(texts, _SUSPECT, ftfy.fix_encoding, "wrong decodings (mojibake) repaired", found)
    texts = texts.str.replace_all(_INVISIBLE, "")
    texts = _where(texts, _UNEVEN, lambda found: found.str.replace_all(_CONTROL, " ")).str.strip_chars()
    texts = _where(texts, _NOT_ASCII, lambda found: found.str.normalize("NFC"))
    found["with lost characters (U+FFFD), kept"] += int(texts.str.contains(_LOST, literal=True).sum())
    long = texts.str.len_chars() > LONGEST
    if long.any():
        found[f"cut to {LONGEST} characters"] += int(long.sum())
        texts = texts.str.slice(0, LONGEST)
    return texts.set(texts == "", None)


def _where(texts: pl.Series, sign: str, mend: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Changes only the texts that show a sign: to look for it is much faster than to change what needs no change."""
    found = texts.str.contains(sign).fill_null(False)
    return texts.scatter(found.arg_true(), mend(texts.filter(found))) if found.any() else texts


def _mend(texts: pl.Series, sign: str, mend: Callable[[str], str], kind: str, found: Counter[str]) -> pl.Series:
    """Applies a Python function where a sign of trouble is seen, which is rare."""
    suspect = texts.str.contains(sign).fill_null(False)
    if not suspect.any():
        return texts
    before = texts.filter(suspect)
    after = pl.Series([mend(text) for text in before.to_list()], dtype=pl.String)
    found[kind] += int((before != after).sum())
    return texts.scatter(suspect.arg_true(), after)
