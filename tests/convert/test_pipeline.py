"""Conversions from end to end, on tables written in the test."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import yaml
from filelock import FileLock

from recbole_xlrec.convert import write
from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.data.atomic import read_atomic
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
Tables = Callable[[Converted], dict[str, pd.DataFrame]]
MAPPING: dict[str, Any] = {
    "interactions": {
        "file": "clicks.tsv",
        "columns": {"user_id": "u", "item_id": "i", "rating": "r", "timestamp": "t"},
    },
    "items": {"file": "items.tsv", "columns": {"item_id": "i", "language": "l", "title": "t"}},
}
CLICKS = "u\ti\tr\tt\nu1\ti1\t5\t100\nu1\ti2\t3\t50\nu2\ti1\t4\t60\nu2\ti3\t1\t70\nu3\ti2\t5\t80\n"
ITEMS = "i\tl\tt\ni1\tde\tHund\ni2\tja\t犬\ni3\tde\tKatze\ni1\ten\tDog\n"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw folder with clicks, items, and the mapping beside it."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "clicks.tsv").write_text(CLICKS)
    (folder / "items.tsv").write_text(ITEMS)
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(MAPPING))
    return folder


@pytest.fixture
def run(convert: Convert, raw: Path) -> Callable[..., Converted]:
    """Converts the raw folder as the dataset `d`."""

    def go(**options: Any) -> Converted:
        settings = {"mapping": str(raw.parent / "mapping.yaml")}
        return convert("table", raw, **{"name": "d", "settings": settings, **options})

    return go


def _pairs(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["user_id"], frame["item_id"], strict=True))


def test_interactions_items_texts_and_users_are_written(run: Convert, tables: Tables) -> None:
    found = tables(run())
    assert found["inter"].to_numpy().tolist() == [
        ["u1", "i2", 3, 50], ["u1", "i1", 5, 100], ["u2", "i1", 4, 60], ["u2", "i3", 1, 70], ["u3", "i2", 5, 80],
    ]  # fmt: skip
    assert found["item"].to_numpy().tolist() == [
        ["i1", "de", "i1", 2, 60, 100], ["i2", "ja", "i2", 2, 50, 80], ["i3", "de", "i3", 1, 70, 70],
    ]  # fmt: skip
    assert found["text"][["item_id", "language", "title"]].to_numpy().tolist() == [
        ["i1", "de", "Hund"], ["i2", "ja", "犬"], ["i3", "de", "Katze"], ["i1", "en", "Dog"],
    ]  # fmt: skip
    assert found["user"].to_numpy().tolist() == [["u1", "de"], ["u2", "de"], ["u3", "ja"]]


def test_steps_say_what_each_filter_removed(run: Convert) -> None:
    meta = run(min_rating=2, languages=("de",), user_core=1, item_core=2, sample_users=5).meta
    assert meta["steps"] == [
        {"step": "read", "rows": 5, "removed": 0},
        {"step": "broken or incomplete (see rejected.tsv)", "rows": 5, "removed": 0},
        {"step": "rating below 2", "rows": 4, "removed": 1},
        {"step": "other languages", "rows": 2, "removed": 2},
        {"step": "exact duplicates", "rows": 2, "removed": 0},
        {"step": "k-core: users ≥ 1, items ≥ 2", "rows": 2, "removed": 0},
        {"step": "not among the 5 sampled users", "rows": 2, "removed": 0},
    ]
    assert meta["counts"] == {"users": 2, "items": 1, "interactions": 2}
    assert meta["notes"] == ["--sample-users 5: only 2 users are left after the other filters; all are kept."]


def test_when_nothing_is_left_the_error_says_which_filter_removed_how_many(run: Convert, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No interaction is left.*rating below 9: 5 removed, 0 left"):
        run(min_rating=9)
    assert list((tmp_path / "atomic").iterdir()) == []


def test_broken_rows_are_kept_aside_with_reason_and_line(run: Convert, raw: Path) -> None:
    bad = "\ti1\t5\t1\nNULL\ti1\t5\t1\nu1\t\t5\t1\nu1\ti1\tx\t1\nu1\ti1\t5\tsoon\nu1\ti1\t5\t100\nu9\ti1\n"
    (raw / "clicks.tsv").write_text(CLICKS + bad)
    done = run(max_rejected=0.6)
    rejected = (done.folder / "d.rejected.tsv").read_text().splitlines()
    assert [line.split("\t")[:3] for line in rejected] == [
        ["file", "line", "reason"],
        ["clicks.tsv", "13", "not 4 cells"],
        ["clicks.tsv", "7", "no user_id"],
        ["clicks.tsv", "8", "no user_id"],
        ["clicks.tsv", "9", "no item_id"],
        ["clicks.tsv", "10", "no rating that is a number"],
        ["clicks.tsv", "11", "no timestamp that is understood"],
        ["clicks.tsv", "12", "repeats line 2"],
    ]
    assert done.meta["steps"][:2] == [
        {"step": "read", "rows": 12, "removed": 0},
        {"step": "broken or incomplete (see rejected.tsv)", "rows": 6, "removed": 6},
    ]
    assert done.meta["counts"]["interactions"] == 5


def test_one_percent_of_garbage_is_a_counted_reject(run: Convert, raw: Path) -> None:
    rows = [f"u{n % 50}\ti{n % 7}\t5\t{n}" for n in range(5000)]
    for place in range(50, 5000, 100):
        rows[place] = "\x1b[31m garbage " + "é" * (place % 5)
    (raw / "clicks.tsv").write_text("u\ti\tr\tt\n" + "\n".join(rows))
    done = run()
    assert done.meta["rejected"] == {"not 4 cells": 50}
    assert done.meta["counts"]["interactions"] == 4950


def test_more_garbage_than_allowed_is_an_error_and_writes_nothing(run: Convert, raw: Path, tmp_path: Path) -> None:
    (raw / "clicks.tsv").write_text(CLICKS + "broken\n")
    with pytest.raises(DataError, match=r"clicks.tsv: 1 of 7 rows are broken.*line 7: not 4 cells: 'broken'"):
        run()
    assert list((tmp_path / "atomic").iterdir()) == []


def test_ids_that_look_alike_are_kept_apart_and_noted(run: Convert, raw: Path) -> None:
    (raw / "clicks.tsv").write_text("u\ti\tr\tt\nu1\t007\t5\t1\nu1\t7\t5\t2\nU1\t7\t5\t2\n")
    done = run()
    assert done.meta["counts"] == {"users": 2, "items": 2, "interactions": 3}
    assert [note.split(":")[1].split(".")[0] for note in done.meta["notes"]] == [" 'u1', 'U1'", " '007', '7'"]


def test_editions_are_one_item_a_language_joined_by_their_work(run: Convert, raw: Path, tables: Tables) -> None:
    mapping = yaml.safe_load((raw.parent / "mapping.yaml").read_text())
    mapping["interactions"]["columns"]["language"] = "l"
    (raw.parent / "mapping.yaml").write_text(yaml.safe_dump(mapping))
    (raw / "clicks.tsv").write_text(
        "u\ti\tr\tt\tl\nu1\ti1\t5\t1\tDE\nu2\ti1\t5\t2\teng\nu3\ti1\t5\t3\txx-bad\nu3\ti1\t5\t4\t\n"
    )
    done = run(identity="edition", max_rejected=1)
    found = tables(done)
    assert _pairs(found["inter"]) == [("u1", "de:i1"), ("u2", "en:i1")]
    assert found["item"][["item_id", "language", "work_id"]].to_numpy().tolist() == [
        ["de:i1", "de", "i1"],
        ["en:i1", "en", "i1"],
    ]
    assert found["text"]["title"].tolist() == ["Hund", "Dog"]
    assert done.meta["rejected"] == {"no language": 1, "unknown language": 1}


def test_editions_need_a_language_in_the_interactions(run: Convert) -> None:
    with pytest.raises(ConfigError, match="--identity edition: the interactions of this source carry no language"):
        run(identity="edition")


def test_all_items_keeps_those_that_nobody_met(run: Convert, raw: Path, tables: Tables) -> None:
    (raw / "items.tsv").write_text(ITEMS + "i9\tfr\tChat\n")
    assert "i9" not in tables(run())["item"]["item_id"].tolist()
    found = tables(run(name="all", all_items=True))
    assert found["item"].set_index("item_id").loc["i9"].tolist()[:3] == ["fr", "i9", 0]
    assert "Chat" in found["text"]["title"].tolist()


def test_items_without_a_row_are_written_with_the_language_of_their_interactions(
    run: Convert, raw: Path, tables: Tables
) -> None:
    (raw / "items.tsv").write_text("i\tl\tt\ni1\tde\tHund\n")
    assert tables(run())["item"][["item_id", "language"]].to_numpy().tolist() == [
        ["i1", "de"],
        ["i2", "und"],
        ["i3", "und"],
    ]


def test_stock_recbole_reads_the_same_rows(run: Convert, stock_dataset: Callable[..., Any]) -> None:
    dataset = stock_dataset(run())
    assert (dataset.user_num - 1, dataset.item_num - 1, dataset.inter_num) == (3, 3, 5)
    pairs = zip(dataset.inter_feat["user_id"], dataset.inter_feat["item_id"], strict=True)
    names = [(dataset.id2token("user_id", user), dataset.id2token("item_id", item)) for user, item in pairs]
    assert names == [("u1", "i2"), ("u1", "i1"), ("u2", "i1"), ("u2", "i3"), ("u3", "i2")]


def test_an_existing_dataset_is_not_overwritten_unless_asked(run: Convert, tables: Tables) -> None:
    first = run()
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    with pytest.raises(DataError, match=r"is there already; nothing is overwritten.*--replace"):
        run(min_rating=4)
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before
    assert len(tables(run(min_rating=4, replace=True))["inter"]) == 3
    assert [path.name for path in first.folder.parent.iterdir()] == ["d"]


FULL = [OSError(errno.ENOSPC, "No space left"), pl.exceptions.ComputeError("parquet: No space left (os error 28)")]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), *FULL])
def test_whatever_stops_it_an_existing_dataset_stays_and_nothing_else_is_left(
    trouble: BaseException, run: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run()
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}

    def stop(*_: Any) -> None:
        raise trouble

    monkeypatch.setattr(write.AtomicStream, "write", stop)
    expected = KeyboardInterrupt if isinstance(trouble, KeyboardInterrupt) else DataError
    with pytest.raises(expected, match="The disk of .* is full" if expected is DataError else None):
        run(replace=True)
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before
    assert [path.name for path in first.folder.parent.iterdir()] == ["d"]


def test_a_disk_that_is_really_full_is_a_clear_error(run: Convert, raw: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses the write."""
    (raw / "clicks.tsv").write_text("u\ti\tr\tt\n" + "".join(f"u{n}\ti{n}\t5\t{n}\n" for n in range(20_000)))
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "from recbole_xlrec.cli import main; main(sys.argv[1:])"
    )
    words = ["convert", "table", "--input", str(raw), "--output", str(tmp_path / "o"), "--name", "d"]
    words += ["--option", f"mapping={tmp_path / 'mapping.yaml'}"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o" / "d").exists()
    assert list((tmp_path / "o").iterdir()) == []


def test_meta_tells_where_the_data_come_from_and_how(run: Convert, raw: Path) -> None:
    done = run(min_rating=4)
    meta = json.loads((done.folder / "d.meta.json").read_text())
    command = "recbole-xlrec convert table --input raw --name d --min-rating 4 --option mapping=mapping.yaml"
    assert meta["command"] == command  # the place of the files on this machine is nobody else's
    assert sorted(meta["inputs"]) == ["clicks.tsv", "items.tsv", "mapping.yaml"]
    assert sorted(meta["outputs_sha256"]) == ["d.inter", "d.item", "d.text", "d.user"]
    assert meta["languages"]["de"] == {"users": 2, "items": 1, "interactions": 2}


def test_parquet_and_json_lines_tables_give_the_same_dataset(run: Convert, raw: Path, tables: Tables) -> None:
    expected = tables(run())["inter"]
    frame = pl.read_csv(raw / "clicks.tsv", separator="\t")
    frame.write_parquet(raw / "clicks.parquet")
    frame.write_ndjson(raw / "clicks.jsonl")
    frame.write_csv(raw / "clicks.csv", quote_style="always")
    for kind in ("parquet", "jsonl", "csv"):
        mapping = {**MAPPING, "interactions": {**MAPPING["interactions"], "file": f"clicks.{kind}"}}
        (raw.parent / "mapping.yaml").write_text(yaml.safe_dump(mapping))
        pd.testing.assert_frame_equal(tables(run(name=kind))["inter"], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identity": "work"}, "--identity work: choose item or edition"),
        ({"name": "a/b"}, "--name 'a/b'"),
        ({"user_core": 0}, "--user-core 0: must be at least 1"),
        ({"max_rejected": 2}, "--max-rejected 2: a share between 0 and 1"),
        ({"encoding": "utf-9"}, "--encoding utf-9: not known"),
        ({"settings": {"maping": "x"}}, "--option maping: table has no such option. Did you mean 'mapping'"),
        ({"settings": {}}, "--option mapping=FILE.yaml says which columns"),
    ],
)
def test_wrong_options_are_refused_with_what_to_do(options: dict[str, Any], message: str, run: Convert) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        run(**options)


def test_a_wrong_mapping_is_refused_with_the_nearest_key(run: Convert, raw: Path) -> None:
    for mapping, message in (
        ({**MAPPING, "item": {}}, "unknown key 'item'. Did you mean 'items'"),
        ({"interactions": {"file": "clicks.tsv"}}, "columns is missing"),
        ({"interactions": {**MAPPING["interactions"], "where": "nonsense ("}}, "SQL .nonsense .. is not understood"),
        ({"interactions": {"file": "clicks.tsv", "columns": {"user_id": 3, "item_id": "i"}}}, "is 3; write the name"),
    ):
        (raw.parent / "mapping.yaml").write_text(yaml.safe_dump(mapping))
        with pytest.raises(ConfigError, match=message):
            run()


def test_the_reader_reads_what_is_written(run: Convert) -> None:
    folder = run().folder
    assert read_atomic(folder / "d.inter")["timestamp"].tolist() == [50, 100, 60, 70, 80]


def test_a_second_process_on_one_dataset_is_refused(run: Convert, tmp_path: Path) -> None:
    (tmp_path / "atomic").mkdir()
    with (
        FileLock(tmp_path / "atomic" / ".d.lock"),
        pytest.raises(DataError, match=r"d is being written by another process"),
    ):
        run()
    assert not (tmp_path / "atomic" / "d").exists()
