from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.data import languages
from recbole_xlrec.data.languages import (
    MARKETS,
    language_of_market,
    normalise_column,
    normalise_language,
    normalise_languages,
)
from recbole_xlrec.errors import ConfigError, DataError

STANDARD = {
    "DE": "de",
    "de_DE": "de-DE",
    "pt_br": "pt-BR",
    "jpn": "ja",
    "ger": "de",
    "cmn": "zh",
    "zh-CN": "zh-CN",
    "zh_hans": "zh-Hans",
    "iw": "he",
    "no": "no",
    "und": "und",
    "sr-Cyrl": "sr-Cyrl",
}


@pytest.mark.parametrize("tag, standard", STANDARD.items())
def test_tags_take_their_standard_form_and_keep_it(tag: str, standard: str) -> None:
    assert normalise_language(tag) == standard
    assert normalise_language(standard) == standard


def test_a_boolean_from_yaml_is_refused_with_the_quotes_to_type() -> None:
    with pytest.raises(ConfigError, match=r"boolean False.*languages: \['no'\]"):
        normalise_language(False)


@pytest.mark.parametrize("tag", [None, 3, float("nan"), ["de"], b"de"])
def test_what_is_not_a_string_is_refused(tag: object) -> None:
    with pytest.raises(ConfigError, match="must be a string"):
        normalise_language(tag)


@pytest.mark.parametrize(
    "tag, advice",
    [
        ("english", "Did you mean 'en'"),
        ("Deutsch", "Did you mean 'de'"),
        (" en", "Did you mean 'en'"),
        ("JP", "It is a market; its language is 'ja'"),
        ("en-US-posix", "Did you mean 'en'"),
        ("", "BCP-47 tag"),
        ("xx", "BCP-47 tag"),
        ("qqqqqqqqqqqq", "BCP-47 tag"),
        ("NA", "missing value"),
        ("nan", "missing value"),
        ("UK", "'en' for the market's, 'uk' for the other"),
        ("BR", "'pt' for the market's, 'br' for the other"),
    ],
)
def test_unknown_and_ambiguous_tags_are_refused_with_advice(tag: str, advice: str) -> None:
    with pytest.raises(DataError, match=advice):
        normalise_language(tag)


@given(st.text(max_size=12))
def test_any_text_is_standardised_for_good_or_refused(tag: str) -> None:
    try:
        standard = normalise_language(tag)
    except DataError:
        return
    assert normalise_language(standard) == standard


def test_lists_keep_their_order() -> None:
    assert normalise_languages(("ja", "DE", "no")) == ["ja", "de", "no"]


def test_a_bare_string_is_refused_with_the_list_to_type() -> None:
    with pytest.raises(ConfigError, match=r"languages: \['de'\]"):
        normalise_languages("de")


def test_the_same_language_twice_is_refused_in_any_spelling() -> None:
    with pytest.raises(ConfigError, match=r"twice: 'jpn \(ja\)'"):
        normalise_languages(["ja", "de", "jpn"])


@pytest.mark.parametrize("market", "ae au br ca cn de es fr in it jp mx nl sa sg tr uk us".split())  # noqa: SIM905
def test_every_market_of_xmarket_has_a_language(market: str) -> None:
    assert language_of_market(market) == language_of_market(market.upper())


def test_markets_name_their_shops_language() -> None:
    assert [language_of_market(name) for name in ("UK", "IN", "MX", "BR", "SE", "eg", " JP ")] == [
        "en",
        "en",
        "es",
        "pt",
        "sv",
        "ar",
        "ja",
    ]


def test_the_language_of_every_market_is_in_standard_form() -> None:
    assert {language: normalise_language(language) for language in MARKETS.values()} == {
        language: language for language in MARKETS.values()
    }


@pytest.mark.parametrize("market", ["XX", "", None, False])
def test_an_unknown_market_is_refused_with_those_known(market: object) -> None:
    with pytest.raises(DataError, match="Known markets: AE, AT, AU"):
        language_of_market(market)  # type: ignore[arg-type]


def test_a_column_is_standardised_in_place_of_each_row() -> None:
    values = pd.Series(["DE", "ja", "DE", "pt_br"], index=[5, 3, 3, 1], name="language")
    expected = pd.Series(["de", "ja", "de", "pt-BR"], index=[5, 3, 3, 1], name="language")
    pd.testing.assert_series_equal(normalise_column(values, "here"), expected)


def test_categories_and_an_empty_column_are_standardised_too() -> None:
    assert normalise_column(pd.Series(["DE", "ja"], dtype="category"), "here").tolist() == ["de", "ja"]
    assert normalise_column(pd.Series([], dtype=object), "here").tolist() == []


def test_a_columns_bad_rows_are_counted_and_listed() -> None:
    values = pd.Series(["de", "klingonese", "klingonese", "", None, "ja"])
    with pytest.raises(DataError, match=r"toy\.item: column 'language': 4 of 6 rows .*'klingonese', '', nan"):
        normalise_column(values, "toy.item: column 'language'")


def test_a_column_of_booleans_says_what_is_wrong() -> None:
    with pytest.raises(DataError, match=r"1 of 2 rows .* boolean False"):
        normalise_column(pd.Series(["de", False], dtype=object), "here")


def test_each_language_of_a_long_column_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(languages, "normalise_language", lambda tag: seen.append(tag) or normalise_language(tag))
    values = pd.Series(np.array(["DE", "ja", "pt_br"], dtype=object)[np.arange(3000) % 3])
    assert set(normalise_column(values, "here")) == {"de", "ja", "pt-BR"}
    assert seen == ["DE", "ja", "pt_br"]
