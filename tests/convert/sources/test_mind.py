"""MIND: splits by folder, histories once and before, clicks only, translations of the right size and language."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw"
NEWS = "N1\tnews\tnewsworld\tOne\t\tu\t[]\t[]\n"


def _mind(folder: Path, behaviors: str, news: str = NEWS) -> Path:
    folder.mkdir(parents=True)
    (folder / "behaviors.tsv").write_text(behaviors, encoding="utf-8")
    (folder / "news.tsv").write_text(news, encoding="utf-8")
    return folder


def _xmind(folder: Path, title: str) -> None:
    folder.mkdir(parents=True)
    (folder / "news.tsv").write_text(f"nid\ttitle\tabstract\nN1\t{title}\t\n", encoding="utf-8")


def _row(user: str, time: str, history: str, shown: str) -> str:
    return f"1\t{user}\t11/{time}\t{history}\t{shown}\n"


def test_a_folder_without_behaviors_is_refused_with_what_it_holds(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "behaviours.tsv").write_text("x\n")
    with pytest.raises(DataError, match=r"behaviors\.tsv.*Did you mean"):
        convert("mind", tmp_path / "raw")


def test_translations_alone_are_no_news(convert: Convert, tmp_path: Path) -> None:
    _mind(tmp_path / "raw" / "MINDsmall_train", _row("U1", "11/2019 9:00:00 AM", "", "N1-1"))
    (tmp_path / "raw" / "MINDsmall_train" / "news.tsv").unlink()
    _xmind(tmp_path / "raw" / "jpn" / "xMINDsmall_train", "一")
    with pytest.raises(DataError, match=r"holds no MIND\*/news\.tsv"):
        convert("mind", tmp_path / "raw")


def test_one_folder_alone_is_not_split(convert: Convert, tmp_path: Path) -> None:
    _mind(tmp_path / "raw" / "MINDsmall_train", _row("U1", "11/2019 9:00:00 AM", "N2", "N1-1"))
    assert convert("mind", tmp_path / "raw").meta["files"] == {"inter": 2}


def test_whole_writes_one_file_of_all_splits(convert: Convert) -> None:
    found = convert("mind", RAW / "mind", whole=True, max_rejected=1)
    assert found.meta["files"] == {"inter": 14}


@pytest.mark.parametrize("folders", [("small_train", "large_train"), ("part_one", "part_two")])
def test_folders_that_tell_no_split_each_are_refused(
    folders: tuple[str, str], convert: Convert, tmp_path: Path
) -> None:
    for name in folders:
        _mind(tmp_path / "raw" / name, _row("U1", "11/2019 9:00:00 AM", "", "N1-1"))
    with pytest.raises(DataError, match=r"There are 2 files behaviors\.tsv"):
        convert("mind", tmp_path / "raw")


def test_a_test_folder_with_clicks_is_the_test_split(convert: Convert, tmp_path: Path, tables: Any) -> None:
    for day, name in enumerate(("train", "dev", "test"), start=11):
        _mind(tmp_path / "raw" / f"MINDlarge_{name}", _row("U1", f"{day}/2019 9:00:00 AM", "", f"N{day}-1 N1-0"))
    found = tables(convert("mind", tmp_path / "raw"))
    assert found["test.inter"]["item_id"].tolist() == ["N13"]
    assert found["valid.inter"]["item_id"].tolist() == ["N12"]


def test_a_history_lies_before_the_earliest_impression_wherever_that_stands(
    convert: Convert, tmp_path: Path, tables: Any
) -> None:
    rows = [("13/2019 9:00:00 AM", "N5-1"), ("12/2019 12:00:00 PM", "N6-0"), ("12/2019 11:59:59 PM", "N7-1")]
    raw = _mind(tmp_path / "raw", "".join(_row("U1", time, "N2 N3 N2", shown) for time, shown in rows))
    found = tables(convert("mind", raw))["inter"]
    noon = datetime(2019, 11, 12, 12, tzinfo=timezone.utc).timestamp()
    assert found["item_id"].tolist() == ["N2", "N3", "N2", "N7", "N5"]
    assert (found["timestamp"].astype(float) - noon).tolist()[:3] == [-3, -2, -1]


def test_the_history_of_a_user_who_is_in_train_is_not_repeated_by_dev(
    convert: Convert, tmp_path: Path, tables: Any
) -> None:
    _mind(tmp_path / "raw" / "train", _row("U1", "11/2019 9:00:00 AM", "N2", "N3-1"))
    _mind(
        tmp_path / "raw" / "dev",
        _row("U1", "12/2019 9:00:00 AM", "N2 N3", "N4-1") + _row("U2", "12/2019 9:00:00 AM", "N2", "N4-1"),
    )
    train = tables(convert("mind", tmp_path / "raw"))["train.inter"]
    assert list(zip(train["user_id"], train["item_id"], strict=True)) == [("U1", "N2"), ("U1", "N3"), ("U2", "N2")]


def test_languages_of_the_texts_are_chosen_by_their_codes(convert: Convert, tables: Any) -> None:
    found = tables(convert("mind", RAW / "mind", max_rejected=1, settings={"text_languages": "ron"}))
    assert set(found["text"]["language"]) == {"en", "ro"}


def test_a_language_that_is_not_there_is_named_with_those_that_are(convert: Convert) -> None:
    with pytest.raises(DataError, match=r"into 'fi'.*there are 'ja', 'ro'"):
        convert("mind", RAW / "mind", max_rejected=1, settings={"text_languages": "fin,jpn"})


def test_translations_lie_where_the_option_says(convert: Convert, tmp_path: Path, tables: Any) -> None:
    raw = _mind(tmp_path / "raw" / "MINDsmall_train", _row("U1", "11/2019 9:00:00 AM", "N2", "N1-1"))
    _xmind(tmp_path / "elsewhere" / "jpn" / "xMINDsmall_train", "一つ")
    for place in ("elsewhere", "elsewhere/jpn"):
        found = tables(convert("mind", raw.parent, replace=True, settings={"xmind": str(tmp_path / place)}))
        assert found["text"]["language"].tolist() == ["en", "ja"]
    with pytest.raises(DataError, match="no_such does not exist"):
        convert("mind", raw.parent, replace=True, settings={"xmind": "no_such"})


def test_translations_of_the_other_size_are_not_mixed_in(convert: Convert, tmp_path: Path, tables: Any) -> None:
    behaviors = _row("U1", "11/2019 9:00:00 AM", "", "N1-1")
    for size in ("small", "large"):
        _xmind(tmp_path / "xMIND" / "ron" / f"xMIND{size}_train", size)
        _mind(tmp_path / size / f"MIND{size}_train", behaviors)
        found = convert("mind", tmp_path / size, replace=True, settings={"xmind": str(tmp_path / "xMIND")})
        assert tables(found)["text"]["title"].tolist() == ["One", size]
    _mind(tmp_path / "sample" / "news", behaviors)
    with pytest.raises(DataError, match="whose ids differ"):
        convert("mind", tmp_path / "sample", replace=True, settings={"xmind": str(tmp_path / "xMIND")})


def test_a_news_of_which_only_a_translation_is_there_is_english_all_the_same(convert: Convert, tables: Any) -> None:
    found = tables(convert("mind", RAW / "mind", max_rejected=1))
    items = found["item"].set_index("item_id")["language"]
    assert items["N105"] == "en"
    assert found["text"].query("item_id == 'N105'")["language"].tolist() == ["ja", "ro"]


@pytest.mark.data
def test_the_real_sample_with_real_translations(
    convert: Convert, real_data: Path, tables: Any, stock_dataset: Any
) -> None:
    converted = convert("mind", real_data / "raw" / "mind", settings={"xmind": str(real_data / "raw" / "xmind")})
    events = _counted(real_data / "raw" / "mind" / "MINDsample" / "behaviors.tsv")
    users, items = {user for user, _ in events}, {item for _, item in events}
    english = {line.split("\t")[0] for line in _lines(real_data / "raw" / "mind" / "MINDsample" / "news.tsv")}
    assert converted.meta["counts"] == {"users": len(users), "items": len(items), "interactions": len(events)}
    assert converted.meta["languages"] == {"en": converted.meta["counts"]}

    found = tables(converted)
    written = zip(found["inter"]["user_id"], found["inter"]["item_id"], strict=True)
    assert Counter(written) == Counter(events)
    texts = found["text"].groupby("language")["item_id"].agg(set)
    assert texts["en"] == items & english
    assert texts["zh"] == items & _translated(real_data / "raw" / "xmind" / "cmn" / "xMINDsmall_dev.zip")

    dataset = stock_dataset(converted)
    assert dataset.user_num - 1 == len(users)
    assert dataset.item_num - 1 == len(items)
    assert dataset.inter_num == len(events)


@pytest.mark.data
def test_the_real_sample_in_two_folders_is_read_by_recbole_as_benchmark_files(
    convert: Convert, real_data: Path, tmp_path: Path, stock_dataset: Any
) -> None:
    raw = real_data / "raw" / "mind" / "MINDsample"
    lines = _lines(raw / "behaviors.tsv")
    for name, part in (("train", lines[:200]), ("dev", lines[200:])):
        folder = _mind(tmp_path / "raw" / f"MINDsmall_{name}", "".join(f"{line}\n" for line in part))
        shutil.copyfile(raw / "news.tsv", folder / "news.tsv")
    converted = convert("mind", tmp_path / "raw")
    clicks = sum(line.count("-1") for line in lines[200:])
    everything = _counted(raw / "behaviors.tsv")
    assert converted.meta["files"] == {"train.inter": len(everything) - clicks, "valid.inter": clicks}

    columns = {"inter": ["user_id", "item_id", "timestamp"]}
    dataset = stock_dataset(converted, benchmark_filename=["train", "valid", "valid"], load_col=columns)
    train, valid, test = dataset.build()
    assert train.inter_num == len(everything) - clicks
    assert valid.inter_num == test.inter_num == clicks


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def _counted(path: Path) -> list[tuple[str, str]]:
    """All clicks and, once a user, the history: counted without the package."""
    events, seen = [], set()
    for line in _lines(path):
        _, user, _, history, shown = line.split("\t")
        events += [(user, item) for item in history.split() if user not in seen]
        events += [(user, part[:-2]) for part in shown.split() if part.endswith("-1")]
        seen.add(user)
    return events


def _translated(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        text = archive.read("xMINDsmall_dev/news.tsv").decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
    return {row[0] for row in rows[1:] if row[1] or row[2]}
