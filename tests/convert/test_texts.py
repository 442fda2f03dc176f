"""Texts are mended where something is wrong and left alone where nothing is."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from recbole_xlrec.convert.items import feature
from recbole_xlrec.convert.texts import LONGEST, clean


def _cleaned(*texts: str | None) -> tuple[list[str | None], dict[str, int]]:
    found: Counter[str] = Counter()
    cleaned = clean(pl.Series(texts, dtype=pl.String), found).to_list()
    return cleaned, {kind: count for kind, count in found.items() if count}


@pytest.mark.parametrize(
    ("raw", "mended", "kind"),
    [
        ("Tom &amp; Jerry &#x2013; &#233;t&eacute;", "Tom & Jerry – été", "HTML entities resolved"),
        ("one<br /><br />two <b>three</b>", "one two three", "HTML tags removed"),
        ("crÃ¨me brÃ»lÃ©e", "crème brûlée", "wrong decodings (mojibake) repaired"),
        ("â€œquotedâ€\x9d", "“quoted”", "wrong decodings (mojibake) repaired"),
        ("Ð¼Ð¸Ñ€", "мир", "wrong decodings (mojibake) repaired"),
        ("lost \ufffd", "lost \ufffd", "with lost characters (U+FFFD), kept"),
        ("x" * (LONGEST + 5), "x" * LONGEST, f"cut to {LONGEST} characters"),
    ],
)
def test_what_is_broken_is_mended_and_counted(raw: str, mended: str, kind: str) -> None:
    assert _cleaned(raw, None, "sound") == ([mended, None, "sound"], {kind: 1})


@pytest.mark.parametrize(
    "text",
    [
        "<harmony/>",
        "AT&T",
        "R&B; soul",
        "3 < 4 > 2",
        "été à la mer",
        "ÃO",
        "naïve Über",
        "犬と猫",
        "مرحبا",
        "Ça",
        "नमस्ते",
        "👩‍👩‍👧",
    ],
)
def test_sound_texts_stay_as_they_are(text: str) -> None:
    assert _cleaned(text) == ([text], {})


def test_control_characters_and_blanks_become_single_blanks() -> None:
    assert _cleaned(" a\x00b\tc\u3000d\u200be \n", "\x07 \u00a0", "e\u0301")[0] == ["a b c de", None, "é"]


def test_features_take_the_form_of_their_type() -> None:
    parts = pl.Series([["Home & Garden", "", None], [" a\tb "], None, []])
    assert feature(parts, "token_seq").to_list() == ["Home_&_Garden", "a_b", None, ""]
    assert feature(pl.Series(["12.5", "x", "inf", None]), "float").to_list() == [12.5, None, None, None]
    assert feature(pl.Series([" a\n b ", None]), "token").to_list() == ["a b", None]
