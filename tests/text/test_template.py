from __future__ import annotations

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.template import default_template, render

FULL = "{title}. {genres}. {description}"


def frame(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("title", "genres", "description", "expected"),
    [
        ("Heidi", "Drama", "A girl.", "Heidi. Drama. A girl."),
        ("Heidi", "", "A girl.", "Heidi. A girl."),
        ("", "Drama", "A girl.", "Drama. A girl."),
        ("Heidi", "Drama", "", "Heidi. Drama"),
        ("Heidi", "", "", "Heidi"),
        ("", "", "A girl.", "A girl."),
        ("", "", "", ""),
        (" ", "\t", "A\n\tgirl\u3000here. ", "A girl here."),
        ("{genres}", "%s", "", "{genres}. %s"),
    ],
)
def test_an_empty_field_takes_its_separator_along(title: str, genres: str, description: str, expected: str) -> None:
    rows = frame(title=[title], genres=[genres], description=[description])
    assert render(rows, FULL) == [expected]


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("{a} ({b}). {c}", ("x", "y", "z"), "x (y). z"),
        ("{a} ({b}). {c}", ("x", "", "z"), "x. z"),
        ("{a} ({b}). {c}", ("", "y", "z"), "(y). z"),
        ("{a} ({b})", ("x", "", ""), "x"),
        ("Title: {a}. Genre: {b}.", ("x", "y", ""), "Title: x. Genre: y."),
        ("Title: {a}. Genre: {b}.", ("", "y", ""), "Genre: y."),
        ("Title: {a}. Genre: {b}.", ("x", "", ""), "Title: x"),
        ("{a}\n  {b}", ("x", "y", ""), "x y"),
        ("{a}{b}", ("x", "y", ""), "xy"),
        ("{{{a}}} {a}", ("x", "", ""), "{x} x"),
        ("{a}「{b}」{c}", ("東", "京", "都"), "東「京」都"),
        ("{a}「{b}」{c}", ("東", "", "都"), "東都"),
    ],
)
def test_labels_and_brackets_stand_and_fall_with_their_field(
    template: str, values: tuple[str, str, str], expected: str
) -> None:
    assert render(frame(a=[values[0]], b=[values[1]], c=[values[2]]), template) == [expected]


def test_each_language_gets_its_own_template_its_bases_or_the_default() -> None:
    languages = ["de", "zh-Hant-TW", "zh-CN", "fr", "de-AT", "pt-BR"]
    rows = frame(language=languages, title=list("abcdef"))
    template = {
        "de": "Titel {title}",
        "zh": "題 {title}",
        "zh-hant": "繁 {title}",
        "pt_br": "o {title}",
        "default": "{title}!",
    }
    assert render(rows, template) == ["Titel a", "繁 b", "題 c", "d!", "Titel e", "o f"]


def test_a_language_without_template_is_refused_with_its_rows_counted() -> None:
    rows = frame(language=["de", "fr", "fr"], title=["a", "b", "c"])
    with pytest.raises(ConfigError, match=r"2 rows .*'fr'.*default"):
        render(rows, {"de": "{title}"})


def test_templates_by_language_need_the_language_column() -> None:
    with pytest.raises(DataError, match="'language'"):
        render(frame(title=["a"]), {"de": "{title}"})


def test_without_a_template_the_default_fields_that_are_there_are_used() -> None:
    assert default_template(["language", "description", "title"]) == "{title}. {description}"
    assert render(frame(description=["d"], title=["t"])) == ["t. d"]
    with pytest.raises(ConfigError, match="title, genres, description"):
        render(frame(name=["x"]))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{titel}", "'titel'.*{title}"),
        ("{nothing_like_it}", "columns are 'title'"),
        ("{title", "expected '}'"),
        ("no field", "no field"),
        ("{title:>10}", "format"),
        ("{title!r}", "format"),
        ("{}", "no column ''"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused(template: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        render(frame(title=["x"]), template)


def test_values_that_are_not_strings_are_refused() -> None:
    with pytest.raises(DataError, match="'title': 2 of 3"):
        render(pd.DataFrame({"title": ["x", None, float("nan")]}), "{title}")


def test_an_empty_table_gives_no_texts() -> None:
    rows = frame(language=[], title=[])
    assert render(rows, "{title}") == []
    assert render(rows, {"default": "{title}"}) == []


field = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)


@given(st.lists(st.tuples(field, field, field), max_size=6))
def test_texts_are_normalised_and_hold_every_field(values: list[tuple[str, str, str]]) -> None:
    rows = pd.DataFrame(values, columns=["title", "genres", "description"], dtype=object)
    for text, row in zip(render(rows, FULL), values, strict=True):
        assert text == unicodedata.normalize("NFC", text) == " ".join(text.split())
        cleaned = [" ".join(value.split()) for value in row]
        assert text == unicodedata.normalize("NFC", ". ".join(value for value in cleaned if value))
