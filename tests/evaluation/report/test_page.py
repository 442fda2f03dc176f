"""The page: one file that loads nothing, in which texts of the data stay texts; opened and clicked in a browser."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from recbole_xlrec.data.atomic import read_atomic, write_atomic
from recbole_xlrec.evaluation.report import report
from recbole_xlrec.evaluation.report.collect import collect
from recbole_xlrec.evaluation.report.figures import figures
from recbole_xlrec.evaluation.report.page import page

from .conftest import BAD, ENTRY

LIGHT, DARK = "rgb(246, 246, 244)", "rgb(17, 17, 16)"


class Page(HTMLParser):
    """Collects what a page would load, its elements, and the choices of its plots."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.feed(html.replace(get_plotlyjs(), ""))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        loading = {"src", "href", "srcset", "action", "poster", "background"}
        self.loads += [f"{tag} {name}={value}" for name, value in attrs if name in loading]


@pytest.fixture(scope="session")
def benchmark(toy_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real runs as a benchmark, with a row, a message and a title that would like to be scripts."""
    folder = Path(shutil.copytree(toy_runs, tmp_path_factory.mktemp("benchmark") / "copy"))
    text = folder / "data" / "toy" / "toy.text"
    table = read_atomic(text)
    write_atomic(
        text, table.assign(title=[BAD if place % 4 == 0 else title for place, title in enumerate(table["title"])])
    )
    names = {"XLEASE": f"{BAD} row", "single": "one language at a time"}
    entries = []
    for run in sorted(path.parent for path in (folder / "runs" / "toy").glob("*/*/metrics.json")):
        protocol, seed, _ = run.name.split("-")
        row = names.get(protocol if protocol == "single" else run.parent.name, run.parent.name)
        place = f"runs/toy/{run.parent.name}/{run.name}"
        entries.append({"dataset": "toy", "row": row, "model": run.parent.name, "seed": int(seed), "folder": place})
    entries.append({"dataset": "toy", "row": "lost", "status": "failed", "message": f"{BAD} failed"})
    path = folder / "runs" / "benchmarks" / "made" / "manifest.json"
    path.parent.mkdir(parents=True)
    head = {"suite": "made", "description": f"{BAD} said", "metrics": ["ndcg@5", "recall@1"]}
    path.write_text(json.dumps({**head, "runs": [{**ENTRY, **entry} for entry in entries]}), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def written(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the benchmark, and of a copy of its runs under another dataset's name."""
    other = benchmark / "more" / "toy2"
    shutil.copytree(benchmark / "runs" / "toy" / "Pop", other / "Pop")
    for config in other.rglob("config.yaml"):
        config.write_text(config.read_text().replace("dataset: toy\n", "dataset: toy2\n"))
    out = tmp_path_factory.mktemp("out")
    folders = [benchmark / "runs" / "benchmarks" / "made", benchmark / "more"]
    report(folders, out, data_path=benchmark / "data", console=Console(file=io.StringIO()))
    return out / "report.html"


def test_the_page_is_one_file_that_loads_nothing_of_moderate_size(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    found = Page(html)
    assert found.loads == []
    assert not {"link", "img", "iframe", "object", "embed"} & set(found.tags)
    assert "default-src 'none'" in html
    assert len(html) - len(get_plotlyjs()) < 300_000


def test_texts_of_the_data_cannot_become_part_of_the_page(written: Path) -> None:
    html = written.read_text(encoding="utf-8").replace(get_plotlyjs(), "")
    assert "<script>alert" not in html
    assert html.count("</script>") == 3
    for place in ("row", "failed", "said"):
        assert f"&lt;script&gt;alert(1)&lt;/script&gt; {place}" in html
    assert re.search(r"<bdi lang=\"..\"[^>]*>&lt;script&gt;alert\(1\)&lt;/script&gt;</bdi>", html)


def test_every_figure_is_one_that_plotly_takes(benchmark: Path) -> None:
    table = collect([benchmark / "runs" / "benchmarks" / "made"]).tables[0]
    found = figures(table)
    for figure in found.values():
        go.Figure(figure)
    json.dumps(found, allow_nan=False)
    heat = found["t0|transfer|XLProfile|ndcg@5"]["data"][0]
    assert (heat["x"], heat["y"]) == (["de", "en"], ["de", "en"])
    assert heat["z"][0][1] is None  # on the toy set nobody's target is in another language
    assert heat["customdata"] == [[12, 0], [0, 12]]
    rows = [trace["name"] for trace in found["t0|curves|validation"]["data"]]
    assert rows == ["BPR"]  # the others have one epoch


def test_an_older_runs_page_leaves_out_what_needs_the_context_and_says_so(
    write_run: Callable[..., Path], tmp_path: Path
) -> None:
    (write_run("A") / "context.npz").unlink()
    html = page(collect([tmp_path / "runs"])).replace(get_plotlyjs(), "")
    assert "Without context.npz, which older versions did not write: A." in html
    assert "t0|transfer" not in html
    assert "t0|languages|" in html
    assert "Beyond accuracy" not in html


def _rows(tab: Any) -> list[str]:
    """The names of the leaderboard's visible rows, in order."""
    script = (
        "[...document.querySelectorAll('#leaderboard tbody tr')].filter(r => !r.hidden).map(r => r.cells[0].innerText)"
    )
    return [str(name) for name in tab.run(script)]


def _set(tab: Any, name: str, value: str) -> None:
    """Fills in a field or chooses of a menu, as a user does."""
    element = f"document.querySelector({json.dumps(name)})"
    events = "['input', 'change'].forEach(kind => e.dispatchEvent(new Event(kind, {bubbles: true})))"
    tab.run(f"(e => {{ e.value = {json.dumps(value)}; {events} }})({element})")


@pytest.fixture(scope="module")
def tab(chromium: Any, written: Path) -> Any:
    """The page, open in a browser."""
    with chromium.tab(written) as tab:
        yield tab
        assert tab.troubles() == []
        assert tab.requests() == []


def test_in_a_browser_all_plots_of_one_table_are_drawn_and_those_of_the_other_when_it_is_chosen(tab: Any) -> None:
    drawn = (
        "[...document.querySelectorAll('.plot')].filter(p => p.querySelector('.main-svg')).map(p => p.dataset.figure)"
    )
    first = tab.run(drawn)
    assert len(first) == 6
    assert all(name.startswith("t0|") for name in first)
    _set(tab, "#detail", "t1")
    assert any(name.startswith("t1|") for name in tab.run(drawn))
    assert tab.run("document.getElementById('t0').hidden") is True
    _set(tab, "#detail", "t0")


def test_in_a_browser_a_header_sorts_by_click_and_by_key(tab: Any) -> None:
    state = "document.querySelectorAll('#leaderboard th')[0].getAttribute('aria-sort')"
    best = _rows(tab)
    assert best[-1] != best[0]
    assert tab.run("document.querySelectorAll('#leaderboard th')[3].getAttribute('aria-sort')") == "descending"
    tab.run("document.querySelectorAll('#leaderboard th button')[0].focus()")
    tab.press("Enter", "\r")
    assert tab.run(state) == "ascending"
    assert _rows(tab) == sorted(best, key=str.lower)
    tab.press(" ", " ")
    assert tab.run(state) == "descending"
    assert _rows(tab) == sorted(best, key=str.lower, reverse=True)
    tab.run("document.querySelectorAll('#leaderboard th button')[3].click()")
    shown = "[...document.querySelectorAll('#leaderboard tbody tr')].filter(r => !r.hidden)"
    numbers = tab.run(f"{shown}.map(r => +r.cells[3].dataset.value)")
    assert numbers == sorted(numbers, reverse=True)
    assert tab.run(state) == "none"


def test_in_a_browser_the_leaderboard_filters_by_text_dataset_and_metric(tab: Any) -> None:
    everything = _rows(tab)
    _set(tab, "#find", "xlprof")
    assert _rows(tab) == ["XLProfile"]
    assert tab.run("document.getElementById('count').innerText") == "1 row"
    _set(tab, "#find", "xlease")  # the model of rows of other names
    assert sorted(_rows(tab)) == [f"{BAD} row", "one language at a time"]
    _set(tab, "#find", "")
    _set(tab, "#dataset", "toy2")
    assert _rows(tab) == ["Pop"]
    _set(tab, "#dataset", "")
    assert _rows(tab) == everything
    shown = "document.querySelector('#leaderboard tbody tr:not([hidden])').dataset.metric"
    _set(tab, "#metric", "mrr@5")
    assert tab.run(shown) == "mrr@5"
    _set(tab, "#metric", "ndcg@5")


def test_in_a_browser_menus_change_plots_and_lists(tab: Any) -> None:
    _set(tab, "#t0 [data-prefix='t0|transfer|']", "")
    plot = "document.querySelector(\"[data-prefix='t0|transfer|']\")"
    before = tab.run(f"{plot}.dataset.figure")
    tab.run(
        f"(s => {{ s.value = 'XLProfile'; s.dispatchEvent(new Event('change', {{bubbles: true}})) }})"
        f"({plot}.parentElement.querySelector('[data-part]'))"
    )
    assert tab.run(f"{plot}.dataset.figure") == "t0|transfer|XLProfile|ndcg@5" != before
    assert tab.run(f"{plot}.data[0].z[0][0]") is not None
    visible = "[...document.querySelectorAll('#t0 [data-row]')].filter(l => !l.hidden).map(l => l.dataset.row)"
    _set(tab, "#t0 [data-lists]", "Pop")
    assert set(tab.run(visible)) == {"Pop"}
    legend = "document.querySelector('#t0 .legend button')"
    tab.run(f"{legend}.click()")
    assert tab.run(f"{legend}.getAttribute('aria-pressed')") == "false"
    assert tab.run("document.querySelector('#t0 .plot').data[0].visible") is False


def test_in_a_browser_the_theme_follows_the_system_and_the_button(tab: Any) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    assert tab.run(colour) == LIGHT
    tab.scheme("dark")
    assert tab.run(colour) == DARK
    tab.wait("document.getElementById('theme').textContent === 'Light'")  # the page is told of it a moment later
    tab.run("document.getElementById('theme').click()")
    assert tab.run(colour) == LIGHT
    tab.scheme("light")
    tab.wait("!matchMedia('(prefers-color-scheme: dark)').matches")
    tab.run("document.getElementById('theme').click()")
    assert tab.run(colour) == DARK


def test_in_a_browser_the_page_fits_a_phone_and_tables_scroll_inside(tab: Any) -> None:
    for width in (360, 1280):
        tab.resize(width)
        assert tab.run("document.documentElement.scrollWidth") <= width
    tab.resize(360)
    widest = "Math.max(...[...document.querySelectorAll('.plot .main-svg')].map(e => e.getBoundingClientRect().width))"
    tab.wait(f"{widest} < 360")  # plots follow
    inside = "(b => b.scrollWidth > b.clientWidth)(document.querySelector('.scroll'))"
    assert tab.run(inside) is True
    outside = """[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, .plot, pre')
        && e.getBoundingClientRect().right > 361).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.run(outside) == []
