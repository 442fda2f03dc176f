from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from recbole_xlrec.errors import DataError
from recbole_xlrec.inspect import advice, inspect, read_profile
from recbole_xlrec.inspect.page import page
from recbole_xlrec.inspect.plots import figures

from .conftest import INTER, USER

LIGHT_INK = "rgb(27, 27, 26)"
LOADING = {"src", "href", "srcset", "action", "data", "poster", "background"}


class Page(HTMLParser):
    """Collects what a page would load, its elements, and its texts outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {name}={value}" for name, value in attrs if name in LOADING]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["script"], ["style"]):
            self.texts.append(data)


def shown(data_path: Path, name: str, html: Path | None = None) -> list[str]:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    inspect(data_path, name, html, console)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_profile_fits_one_screen_and_says_what_matters(tiny: Path) -> None:
    lines = shown(tiny, "tiny")
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100
    for line in (
        "users             3",
        "items             4 (3 with interactions)",
        "interactions      6; density 55.6 %",
        "time              2001-09-09 to 2001-09-13 (UTC)",
        "sequence lengths  least 1, median 1, mean 2.0, 90 % 3, most 4",
        "de                    2      2                        4  66.7 %      3                4.5",
        "bridging users    33.3 % consumed in 2 languages or more, 16.7 % of interactions cross languages",
        "bridging works    of 3, 66.7 % exist in 2 languages or more, 33.3 % are consumed from 2 or more",
        "text lengths      title 3 / 5 (characters, median / 90 %)",
        "! 1 item (25 %) without text.",
    ):
        assert line in lines


def test_many_languages_are_folded_so_that_the_screen_suffices(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    tags = ["ar", "da", "de", "en", "es", "fi", "fr", "it", "ja", "ko", "nl", "pl", "pt", "zh"]
    inter = [(f"u{place}", f"i{place}", 0) for place in range(len(tags))]
    items = [(f"i{place}", tag) for place, tag in enumerate(tags)]
    lines = shown(write_dataset(tmp_path, inter=inter, item=items), "tiny")
    assert len(lines) <= 45
    assert any(line.startswith("4 more") and line.split()[2:5] == ["4", "4", "4"] for line in lines)


def test_splits_shown_items_and_rich_markup_are_printed_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    head = "user_id:token\titem_id:token\tlabel:float\n"
    (folder / "t.train.inter").write_text(head + "u\ti\t1\nu\tj\t0\n", encoding="utf-8")
    (folder / "t.test.inter").write_text(head + "u\tk\t1\n", encoding="utf-8")
    (folder / "t.meta.json").write_text('{"source": "[bold]S[/x]"}', encoding="utf-8")
    lines = shown(tmp_path, "t")
    assert "splits            train 2, test 1" in lines
    assert "source            [bold]S[/x]" in lines
    assert any("(1 row of items shown, not chosen, left out)" in line for line in lines)


def test_the_page_is_one_file_that_loads_nothing(tiny: Path, tmp_path: Path) -> None:
    target = tmp_path / "pages" / "tiny.html"
    assert f"Page: {target}" in shown(tiny, "tiny", target)
    html = target.read_text(encoding="utf-8")
    found = Page(html.replace(get_plotlyjs(), ""))
    assert found.loads == []
    assert not {"link", "img", "iframe", "object", "embed"} & set(found.tags)
    assert not re.search(r"https?://|@import|url\(", html.replace(get_plotlyjs(), ""))
    assert get_plotlyjs() in html
    assert "default-src 'none'" in html
    assert [path.name for path in target.parent.iterdir()] == ["tiny.html"]


def test_the_page_shows_the_numbers_of_the_profile(tiny: Path) -> None:
    profile = read_profile(tiny, "tiny")
    texts = [text.strip() for text in Page(page(profile, advice(profile)).replace(get_plotlyjs(), "")).texts]
    for text in ("tiny", "55.6 %", "de", "66.7 %", "2001-09-09 to 2001-09-13 (UTC)", "1 item (25 %) without text."):
        assert text in texts


def test_every_plot_is_a_figure_that_plotly_takes_and_the_page_has_a_place_for_each(tiny: Path) -> None:
    profile = read_profile(tiny, "tiny")
    found = figures(profile)
    assert set(found) == {"languages", "matrix", "lengths", "popularity", "times"}
    html = page(profile, [])
    for name, figure in found.items():
        go.Figure(figure)
        assert f'data-figure="{name}"' in html
    heat = found["matrix"]["data"][0]
    assert (heat["y"], heat["x"], heat["customdata"]) == (["de", "ja"], ["de", "ja"], [[4, 1], [0, 1]])
    assert heat["z"] == [[0.8, 0.2], [0, 1]]


def test_the_matrix_leaves_out_languages_nobody_has_on_either_side(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    data = write_dataset(
        tmp_path, inter=[("u", "1", 0), ("u", "2", 0)], item=[("1", "de"), ("2", "ja")], user=[("u", "ja")]
    )
    heat = figures(read_profile(data, "tiny"))["matrix"]["data"][0]
    assert (heat["y"], heat["x"], heat["z"]) == (["ja"], ["de", "ja"], [[0.5, 0.5]])


def test_the_numbers_of_the_plots_cannot_end_their_script(tiny: Path) -> None:
    profile = read_profile(tiny, "tiny")
    numbers = page(profile, []).partition('id="figures">')[2].partition("</script>")[0]
    assert "<" not in numbers
    assert json.loads(numbers) == figures(profile)


def test_texts_of_the_data_cannot_become_part_of_the_page(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    bad = "</script><img src=x onerror=alert(1)>"
    texts = [(f"i{place}", "de", bad) for place in range(12)]
    data = write_dataset(tmp_path, inter=INTER, user=USER, text=texts)
    (data / "tiny" / "tiny.meta.json").write_text(json.dumps({"source": bad, "steps": [{"step": bad}]}))
    profile = read_profile(data, "tiny")
    html = page(profile, advice(profile))
    assert "<img" not in html.replace(get_plotlyjs(), "")
    assert html.replace(get_plotlyjs(), "").count("</script>") == 3
    assert html.count("&lt;/script&gt;") == 3


def test_a_dataset_of_interactions_alone_has_a_screen_and_a_page(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    data = write_dataset(tmp_path, inter=[("u", "i")], columns={"inter": ("user_id", "item_id")})
    lines = shown(data, "tiny", tmp_path / "page.html")
    assert "! No file has a language column." in lines
    assert "texts             none" in lines


def test_without_a_dataset_no_page_is_written(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        inspect(tiny, "nothing", tmp_path / "page.html", Console(file=io.StringIO()))
    assert not (tmp_path / "page.html").exists()


def test_a_browser_draws_every_plot_without_the_network(tiny: Path, tmp_path: Path, chromium: Any) -> None:
    target = tmp_path / "tiny.html"
    shown(tiny, "tiny", target)
    with chromium.tab(target, width=390, dark=True) as tab:
        assert tab.troubles() == []
        assert tab.requests() == []
        assert tab.run("document.querySelectorAll('.plot .main-svg').length") >= 5
        assert tab.run("document.documentElement.scrollWidth") <= 390
        assert tab.run("document.getElementById('theme').click(), getComputedStyle(document.body).color") == LIGHT_INK
