from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.serving import Recommender
from recbole_xlrec.serving.output import COLUMNS, JsonLines, Tables, output_format, writer
from recbole_xlrec.serving.queries import Options, Query

from .conftest import Serve

QUERIES = [Query("a", user="en-0"), Query('b "x",', history=["de:0", "gone"]), Query("c", history=[])]


def _rows(recommender: Recommender, options: Options) -> list[tuple]:
    """The rows that every file must hold, taken from the Python answer."""
    rows: list[tuple] = []
    (found,) = recommender.stream(QUERIES, options)
    catalogue = recommender.catalogue
    for row, query in enumerate(found.query_ids):
        for rank, item in enumerate(found.item_ids[row], start=1):
            number = catalogue.numbers.get_loc(item)
            shown = (item, float(found.scores[row, rank - 1]), catalogue.titles[number], catalogue.languages[number])
            rows.append((query, rank, *shown, found.sources[row], found.notes[row]))
    return rows


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_of_rows_hold_what_python_gets(kind: str, serve: Serve) -> None:
    recommender = serve("XLProfile")
    path = Path(f"lists.{kind}")
    with writer(recommender.catalogue, path, output_format(path, None)) as out:
        for part in recommender.stream(QUERIES, Options(k=2), batch_size=1):
            out.write(part)
    if kind == "csv":
        with path.open(encoding="utf-8", newline="") as lines:
            found = [tuple(row.values()) for row in csv.DictReader(lines)]
        found = [(row[0], int(row[1]), row[2], float(row[3]), *row[4:8]) for row in found]
    else:
        frame = pl.read_parquet(path)
        assert frame.columns == list(COLUMNS)
        found = [row[:8] for row in frame.rows()]
    wanted = _rows(recommender, Options(k=2))
    assert len(found) == 6
    assert [row[:3] + row[4:] for row in found] == [row[:3] + row[4:] for row in wanted]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in wanted], rel=1e-5)
    assert [each.name for each in Path().iterdir() if "lists" in each.name] == [path.name]


def test_json_lines_hold_a_query_each_with_reasons(serve: Serve) -> None:
    recommender, handle = serve("XLProfile"), io.StringIO()
    for part in recommender.stream(QUERIES, Options(k=2, explain=True)):
        JsonLines(recommender.catalogue, handle).write(part)
    found = [json.loads(line) for line in handle.getvalue().splitlines()]
    assert [each["query_id"] for each in found] == ["a", 'b "x",', "c"]
    assert [each["unknown_items"] for each in found] == [[], ["gone"], []]
    assert [each["source"] for each in found] == ["model", "model", "popularity"]
    best = found[1]["items"][0]
    assert set(best) == {"item_id", "score", "title", "language", "because"}
    assert best["language"] == "de"
    assert best["because"][0]["item_id"] == "de:0"
    assert best["because"][0]["text"] == "schwarze Katze"


def test_an_empty_list_keeps_its_note_in_every_format(serve: Serve) -> None:
    recommender = serve("XLProfile")
    every = recommender.catalogue.ids[1:].tolist()
    for name in ("lists.csv", "lists.parquet", "lists.jsonl"):
        path = Path(name)
        with writer(recommender.catalogue, path, output_format(path, None)) as out:
            for part in recommender.stream(QUERIES[:1], Options(k=2, unavailable=every)):
                out.write(part)
    assert pl.read_parquet("lists.parquet")["note"].to_list() == ["0 of 2: what may be recommended leaves no more"]
    assert pl.read_csv("lists.csv")["note"].to_list() == ["0 of 2: what may be recommended leaves no more"]
    assert json.loads(Path("lists.jsonl").read_text())["items"] == []


def test_no_query_at_all_gives_a_file_without_rows(serve: Serve) -> None:
    with writer(serve("XLProfile").catalogue, Path("lists.parquet"), "parquet"):
        pass
    assert pl.read_parquet("lists.parquet").shape == (0, len(COLUMNS))


def _broken_off(recommender: Recommender, path: Path) -> None:
    with writer(recommender.catalogue, path, output_format(path, None)) as out:
        out.write(next(recommender.stream(QUERIES)))
        raise RuntimeError


def test_a_file_is_there_whole_or_not_at_all(serve: Serve) -> None:
    recommender = serve("XLProfile")
    for name in ("lists.csv", "lists.parquet"):
        path = Path(name)
        with pytest.raises(RuntimeError):
            _broken_off(recommender, path)
    assert not [each for each in Path().iterdir() if "lists" in each.name]


def test_the_table_shows_titles_in_the_language_of_the_item_and_notes(serve: Serve) -> None:
    recommender = serve("XLProfile")
    console = Console(file=io.StringIO(), width=120)
    for part in recommender.stream([Query("[b]", history=["de:0", "gone"])], Options(k=24, explain=True)):
        Tables(recommender.catalogue, console).write(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "weiße Katze" in text
    assert "1 of 2 items are not known" in text
    assert "schwarze Katze (+" in text
    assert "[b]" in text


def test_formats_that_cannot_be_are_refused() -> None:
    assert output_format(None, None) == "table"
    assert output_format(None, "csv") == "csv"
    assert output_format(Path("a.JSONL"), None) == "jsonl"
    for path, named in ((None, "parquet"), (Path("a.txt"), None), (Path("a.csv"), "table")):
        with pytest.raises(ConfigError):
            output_format(path, named)  # type: ignore[arg-type]
