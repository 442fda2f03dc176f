"""Language detection: what is filled in, in which form, and how often it is right on real sentences."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from recbole_xlrec.convert.options import Options

pytest.importorskip("lingua", reason="language detection is an extra")

from recbole_xlrec.convert.detect import detected, filled

GERMAN = "Das Essen war leider kalt und wir mussten sehr lange auf die Rechnung warten."
FRENCH = "Le restaurant est très agréable et les serveurs sont vraiment gentils."
PORTUGUESE = "Gostamos muito da comida e o atendimento foi excelente, não podíamos pedir mais."
NORWEGIAN = "Jeg vet ikke hva jeg skal gjøre med dette, men det smakte veldig godt."


def test_only_missing_languages_are_filled_in() -> None:
    languages = pl.Series(["en", None, None, None], dtype=pl.String)
    texts = pl.Series([GERMAN, GERMAN, None, FRENCH])
    assert filled(languages, texts, Options("x")).to_list() == ["en", "de", "und", "fr"]


def test_where_no_language_is_missing_nothing_is_looked_at() -> None:
    languages = pl.Series(["en", "de"])
    assert filled(languages, pl.Series([FRENCH, FRENCH]), Options("x")) is languages


@pytest.mark.parametrize("text", ["", "   ", "12345 67890", "?!… — 🎉"])
def test_what_is_no_text_has_no_language_at_any_threshold(text: str) -> None:
    assert detected([text], (), 0.0) == ["und"]


def test_below_the_threshold_a_language_is_not_known() -> None:
    assert detected(["Seta"], (), 0.0) != ["und"]
    assert detected(["Seta"], (), 0.9) == ["und"]


def test_a_language_that_is_not_wanted_is_not_taken_for_one_that_is() -> None:
    assert detected([FRENCH, GERMAN], ("de", "en"), 0.5) == ["fr", "de"]


def test_a_language_is_given_in_the_form_in_which_it_is_wanted() -> None:
    assert detected([PORTUGUESE, NORWEGIAN], ("no", "pt-BR"), 0.5) == ["pt-BR", "no"]
    assert detected([PORTUGUESE, NORWEGIAN], ("pt", "pt-BR"), 0.5) == ["pt", "nb"]


@pytest.mark.data
@pytest.mark.skipif("XLREC_DATA" not in os.environ, reason="XLREC_DATA, the folder of real data, is not set")
@pytest.mark.parametrize(("words", "covered", "right"), [(None, 0.96, 0.99), (5, 0.6, 0.985)])
def test_real_sentences_and_titles_cut_from_them_get_their_language(
    words: int | None, covered: float, right: float
) -> None:
    folder = Path(os.environ["XLREC_DATA"]) / "parallel" / "ntrex"
    files = {"deu": "de", "eng": "en", "fra": "fr", "ita": "it", "jpn": "ja"}
    files |= {"kor": "ko", "por": "pt", "rus": "ru", "spa": "es", "zho-CN": "zh"}
    expected, texts = [], []
    for name, language in files.items():
        for line in (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()[:60]:
            no_blanks = language in ("ja", "zh")
            texts.append(line if words is None else line[:12] if no_blanks else " ".join(line.split()[:words]))
            expected.append(language)
    found = detected(texts, (), 0.5)
    known = [(tag, language) for tag, language in zip(found, expected, strict=True) if tag != "und"]
    assert len(known) / len(texts) > covered
    assert sum(tag == language for tag, language in known) / len(known) > right
