from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.dataset import Dataset, SequentialDataset

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.dataset import xl_dataset
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.data.atomic import read_atomic, write_atomic
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.encoders.ngram import NgramEncoder

EVENTS = [("u1", "c", 3), ("u1", "a", 1), ("u2", "b", 2), ("u2", "a", 4), ("u3", "c", 0)]
USERS = [("u3", "de"), ("u1", "en"), ("u2", "de")]
ITEMS = [("b", "de"), ("z", "fr"), ("c", "en"), ("a", "de")]
TEXTS = [("a", "de", "Hund"), ("b", "de", "Katze"), ("c", "en", "dog"), ("z", "fr", "chat")]
TABLES: dict[str, Any] = {"inter": EVENTS, "user": USERS, "item": ITEMS, "text": TEXTS}
PLAIN = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": None},
    "encoder_dimension": 2,
    "show_progress": False,
}

LEAVE_ONE_OUT: dict[str, Any] = {
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": None, "mode": "full"}
}


def _settings(data_path: Path, name: str = "tiny", model: str = "Pop", files: Any = (), **config: Any) -> XLConfig:
    chosen = config if files else {**PLAIN, **config}
    return XLConfig(model, name, files, {"data_path": str(data_path), "state": "ERROR", **chosen})


def _dataset(data_path: Path, name: str = "tiny", **config: Any) -> Any:
    return build_dataset(_settings(data_path, name, **config))


@pytest.fixture
def write(tmp_path: Path, write_dataset: Callable[..., Path]) -> Callable[..., Path]:
    def write_tables(**changed: Any) -> Path:
        tables = {suffix: rows for suffix, rows in {**TABLES, **changed}.items() if rows is not None}
        return write_dataset(tmp_path / "data", **tables)

    return write_tables


def test_decorating_twice_is_decorating_once_and_keeps_the_class() -> None:
    once = xl_dataset(SequentialDataset)
    assert xl_dataset(once) is once
    assert xl_dataset(SequentialDataset) is once
    assert issubclass(once, SequentialDataset)
    assert once.__name__ == "XLSequentialDataset"


# --- alignment -------------------------------------------------------------------------------------------------------


def test_languages_texts_and_features_stand_at_the_internal_ids(write: Callable[..., Path]) -> None:
    dataset = _dataset(write())
    index = dataset.languages
    items, users = dataset.item_ids, dataset.field2id_token["user_id"]
    assert {str(i): index.names[code] for i, code in zip(items, index.items, strict=True)} == {
        **{"[PAD]": "", "a": "de", "b": "de"},
        "c": "en",
    }
    assert {str(u): index.names[code] for u, code in zip(users, index.users, strict=True)} == {
        **{"[PAD]": "", "u1": "en", "u2": "de"},
        "u3": "de",
    }
    found = dict(zip(items, dataset.item_texts(), strict=True))
    assert found == {"[PAD]": "", "a": "Hund", "b": "Katze", "c": "dog"}
    assert dataset.item_feature("language")[dataset.token2id("item_id", "c")] == ["en"]


def test_vectors_stand_at_the_internal_ids_and_the_padding_row_is_zero(write: Callable[..., Path]) -> None:
    dataset = _dataset(write())
    vectors = dataset.text_vectors()
    assert vectors.shape == (4, 2)
    assert not vectors[0].any()
    stored = next(path for path in (dataset.folder / ".vectors").iterdir() if path.is_dir())
    by_id = dict(zip((stored / "ids.txt").read_text().split(), np.load(stored / "vectors.npy"), strict=True))
    assert set(by_id) == {"a", "b", "c", "z"}  # the whole catalogue, whatever is filtered
    for item in "abc":
        np.testing.assert_array_equal(vectors[dataset.token2id("item_id", item)], by_id[item])


def test_a_column_of_several_values_is_split(write: Callable[..., Path]) -> None:
    path = write() / "tiny" / "tiny.item"
    items = read_atomic(path)
    write_atomic(path, items.assign(category=["NA None", "", "null", "x y"]))
    dataset = _dataset(path.parents[1])
    values = dict(zip(dataset.item_ids, dataset.item_feature("category"), strict=True))
    assert values == {"[PAD]": [""], "a": ["x", "y"], "b": ["NA", "None"], "c": ["null"]}


def test_a_dataset_without_languages_has_none(write: Callable[..., Path]) -> None:
    dataset = _dataset(write(user=None, item=None))
    assert dataset.languages is None
    assert dataset.candidate_limits() is None


# --- what is missing or wrong ----------------------------------------------------------------------------------------


def test_a_missing_dataset_folder_lists_what_is_there_and_the_nearest(write: Callable[..., Path]) -> None:
    data_path = write()
    with pytest.raises(DataError, match=r"no dataset folder .*tinny: .*data holds 'tiny'\. Did you mean 'tiny'\?"):
        run("Pop", "tinny", None, {"data_path": str(data_path)})
    with pytest.raises(DataError, match="there is no dataset in nowhere"):
        run("Pop", "tiny", None, {"data_path": "nowhere"})


def test_a_missing_inter_file_or_column_is_named(
    write: Callable[..., Path], write_dataset: Callable[..., Path]
) -> None:
    data_path = write()
    inter = data_path / "tiny" / "tiny.inter"
    inter.rename(inter.with_name("other.inter"))
    with pytest.raises(DataError, match=r"tiny\.inter"):
        _dataset(data_path)
    columns = {"inter": ("user_id", "itemid", "timestamp")}
    write_dataset(data_path, columns=columns, types={"itemid": "token"}, inter=EVENTS)
    with pytest.raises(DataError, match=r"tiny\.inter: no column 'item_id'\..*Did you mean 'itemid'"):
        _dataset(data_path)


def test_a_missing_time_column_matters_only_where_time_orders(write: Callable[..., Path], tmp_path: Path) -> None:
    data_path = write()
    inter = data_path / "tiny" / "tiny.inter"
    write_atomic(inter, read_atomic(inter, ["user_id", "item_id"]))
    untimed = {"load_col": {"inter": ["user_id", "item_id"]}}
    with pytest.raises(DataError, match=r"tiny\.inter: no column 'timestamp'"):
        _dataset(data_path, **untimed).build()
    _dataset(data_path, **untimed, eval_args={"split": {"RS": [1, 0, 0]}, "order": "RO"}).build()


@pytest.mark.parametrize("model", ["GRU4Rec", "XLSASRec"])
def test_a_time_that_is_not_loaded_is_named_with_its_remedy(model: str, write: Callable[..., Path]) -> None:
    settings = _settings(
        write(), model=model, load_col={"inter": ["user_id", "item_id"]}, **LEAVE_ONE_OUT, train_neg_sample_args=None
    )
    with pytest.raises(
        ConfigError, match=r"'timestamp', which is not loaded; set load_col: \{inter: \[user_id, item_id, t"
    ):
        build_dataset(settings).build()


@pytest.mark.parametrize("model", ["FDSA", "SASRecF"])
def test_a_feature_that_is_not_loaded_is_named_with_its_remedy(model: str, write: Callable[..., Path]) -> None:
    settings = _settings(write(), model=model, selected_features=["category"], train_neg_sample_args=None)
    with pytest.raises(ConfigError, match=r"names .category., which is not loaded.*load_col: \{item:"):
        build_dataset(settings)


def test_items_without_text_are_named_and_counted_or_taken_as_empty(write: Callable[..., Path]) -> None:
    data_path = write(text=TEXTS[:1])
    for use in ("item_texts", "text_vectors"):
        with pytest.raises(DataError, match=r"tiny\.text: 2 of 3 items .* have no text: '[bc]', '[bc]'.*missing_text"):
            getattr(_dataset(data_path), use)()
    dataset = _dataset(data_path, missing_text="empty", encoder_dimension=1)
    assert sorted(dataset.item_texts()) == ["", "", "", "Hund"]
    rows = dataset.text_vectors().any(axis=1)
    assert rows.tolist() == [text != "" for text in dataset.item_texts()]


def test_a_missing_text_table_is_named(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"tiny\.text"):
        _dataset(write(text=None)).text_vectors()


@pytest.mark.parametrize("suffix", ["item", "user"])
def test_duplicate_rows_of_items_and_users_are_refused(suffix: str, write: Callable[..., Path]) -> None:
    data_path = write(**{suffix: [*TABLES[suffix], TABLES[suffix][2]]})
    message = rf"tiny\.{suffix}: 1 row repeats the {suffix}_id .*\(rows 3, \d\)"
    with pytest.raises(DataError, match=message):
        _dataset(data_path, load_col=None)  # as a feature
    unread = _dataset(data_path)
    with pytest.raises(DataError, match=message):
        _ = unread.languages


def test_an_unknown_language_tag_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"tiny\.user: column 'language'.*'klingonish'"):
        _ = _dataset(write(user=[*USERS[:2], ("u2", "klingonish")])).languages


def test_users_and_items_without_a_language_are_named(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"tiny\.user: 1 of the user_ids .* no language: 'u2'.*written und"):
        _ = _dataset(write(user=USERS[:2])).languages
    with pytest.raises(DataError, match=r"tiny\.item: 2 of the item_ids .* no language: '[ab]', '[ab]'"):
        _ = _dataset(write(item=ITEMS[1:3])).languages


def test_languages_are_written_alike_however_the_file_writes_them(write: Callable[..., Path]) -> None:
    dataset = _dataset(write(user=[("u1", "EN"), ("u2", "deu"), ("u3", "de")]))
    assert dataset.languages.names == ("", "de", "en")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u1\ta\t1\t2\t3", r"tiny\.inter, line 7: 5 cells where the header has 3"),
        ("u1\ta", r"tiny\.inter, line 7: 2 cells where the header has 3"),
        ("u1\ta\tnoon", r"tiny\.inter cannot be read as an atomic file: .*noon"),
        ('u1\t"a\t3', r"tiny\.inter, line 7: .*quote"),
    ],
)
def test_a_line_that_does_not_fit_the_header_is_named(line: str, message: str, write: Callable[..., Path]) -> None:
    data_path = write()
    with (data_path / "tiny" / "tiny.inter").open("a") as lines:
        lines.write(f"{line}\n")
    with pytest.raises(DataError, match=message):
        _dataset(data_path)


def test_a_number_may_be_missing_in_each_way_that_recbole_knows(write: Callable[..., Path]) -> None:
    data_path = write()
    path = data_path / "tiny" / "tiny.inter"
    path.write_text("user_id:token\titem_id:token\trating:float\nu1\ta\tNA\nu2\tb\t\nu1\tc\tnull\nu2\tc\t0.1\n")
    config = {"load_col": {"inter": ["user_id", "item_id", "rating"]}, "eval_args": {"order": "RO"}}
    settings = _settings(data_path, **config)
    stock, ours = Dataset(settings), xl_dataset(Dataset)(settings)
    assert ours.inter_feat["rating"].tolist() == stock.inter_feat["rating"].tolist()
    assert len(ours.inter_feat) == 4


# --- words that pandas takes for missing -----------------------------------------------------------------------------


def test_words_such_as_na_survive_as_ids_and_values(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    words = ["NA", "None", "null", "nan", "N/A"]
    data_path = write_dataset(
        tmp_path / "data",
        inter=[(word, other, place) for place, word in enumerate(words) for other in words if other != word],
        item=[(word, "en") for word in words],
    )
    path = data_path / "tiny" / "tiny.item"
    items = read_atomic(path)
    kinds = items.assign(kind=words, category=[["NA", word] for word in words])
    write_atomic(path, kinds, {"kind": "token"})
    dataset = _dataset(data_path, load_col=None)
    assert sorted(dataset.field2id_token["user_id"][1:]) == sorted(words)
    assert sorted(dataset.item_ids[1:]) == sorted(words)
    assert set(dataset.field2id_token["kind"][1:]) >= set(words)
    assert len(dataset.inter_feat) == 20
    feat = dataset.get_item_feature()
    for item in words:
        row = dataset.token2id("item_id", item)
        assert dataset.id2token("kind", int(feat["kind"][row])) == item
        assert set(dataset.id2token("category", feat["category"][row])) - {"[PAD]"} == {"NA", item}


def test_ml_100k_is_read_field_by_field_as_recbole_reads_it(ml100k: Path) -> None:
    settings = _settings(ml100k, "ml-100k", "DeepFM", load_col=None)
    stock, ours = Dataset(settings), xl_dataset(Dataset)(settings)
    for table in ("inter_feat", "user_feat", "item_feat"):
        left, right = getattr(stock, table), getattr(ours, table)
        assert list(left.columns) == list(right.columns)
        for field in left.columns:
            if left[field].dtype == object:
                assert [list(cell) for cell in left[field]] == [list(cell) for cell in right[field]], field
            else:
                pd.testing.assert_series_equal(left[field], right[field])
    assert stock.field2id_token.keys() == ours.field2id_token.keys()
    for field, tokens in stock.field2id_token.items():
        assert tokens.tolist() == ours.field2id_token[field].tolist()


# --- vectors from a file ---------------------------------------------------------------------------------------------

GIVEN = {"c": [3.0, 0.0], "b": [2.0, 0.0], "a": [1.0, 0.5], "z": [9.0, 9.0]}


def _file(tmp_path: Path, ids: list[str], vectors: Any) -> str:
    np.savez(tmp_path / "vectors.npz", ids=np.array(ids), vectors=np.array(vectors, dtype=np.float32))
    return f"file:{tmp_path / 'vectors.npz'}"


def test_vectors_of_a_file_are_matched_by_id(write: Callable[..., Path], tmp_path: Path) -> None:
    dataset = _dataset(write(text=None), encoder=_file(tmp_path, list(GIVEN), list(GIVEN.values())))
    vectors = dataset.text_vectors()
    for item in "abc":
        assert vectors[dataset.token2id("item_id", item)].tolist() == GIVEN[item]
    assert not vectors[0].any()
    assert not (dataset.folder / ".vectors").exists()


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        ("ab", [[1, 2], [1, 2]], r"1 of 3 items have no vector: 'c'"),
        ("abcq", [[1, 2]] * 4, r"1 ids are not items of the dataset: 'q'"),
        ("abca", [[1, 2]] * 4, r"1 ids stand more than once: 'a'"),
        ("abc", [[1, 2], [np.nan, 2], [1, np.inf]], r"2 vectors hold NaN or infinity: '[bc]', '[bc]'"),
        ("abc", [[1, 2]] * 2, r"3 ids but 2 vectors"),
        ("abc", [1, 2, 3], r"vectors must be numbers \(n, dim\)"),
    ],
)
def test_a_file_of_vectors_that_does_not_fit_is_refused(
    ids: str, vectors: Any, message: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    dataset = _dataset(write(), encoder=_file(tmp_path, list(ids), vectors))
    with pytest.raises(DataError, match=rf"vectors\.npz: {message}"):
        dataset.text_vectors()


def test_superfluous_vectors_can_be_ignored_and_those_of_filtered_items_are_not_superfluous(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    encoder = _file(tmp_path, [*GIVEN, "q"], [*GIVEN.values(), [0.0, 0.0]])
    assert _dataset(write(), encoder=encoder, extra_vectors="ignore").text_vectors().shape == (4, 2)


def test_vectors_of_a_folder_stay_on_disk_where_a_filter_took_items_away(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "vectors"
    folder.mkdir()
    np.save(folder / "vectors.npy", np.array(list(GIVEN.values()), dtype=np.float16))
    (folder / "ids.txt").write_text("".join(f"{item}\n" for item in GIVEN))
    dataset = _dataset(write(), encoder=f"file:{folder}")
    assert set(dataset.item_ids) == {"[PAD]", "a", "b", "c"}  # z is in the item file alone
    texts = dataset.text_rows()
    assert isinstance(texts.matrix, np.memmap)
    assert texts.rows(np.array([dataset.token2id("item_id", "a")])).tolist() == [GIVEN["a"]]


# --- vectors of an encoder -------------------------------------------------------------------------------------------


def test_texts_are_encoded_once_and_found_again(toy: Path, toy_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    stock = NgramEncoder.encode

    def counted(self: NgramEncoder, texts: Any) -> Any:
        encoded.append(len(texts))
        return stock(self, texts)

    monkeypatch.setattr(NgramEncoder, "encode", counted)
    config = {"data_path": str(toy), "show_progress": False}
    first = run("XLProfile", "toy", [toy_config], config)
    assert sum(encoded) == 24
    again = run("XLProfile", "toy", [toy_config], {**config, "half_life": 3.0})
    assert sum(encoded) == 24
    assert again.fresh
    assert again.metrics["seconds"]["encode"] < 1
    assert first.metrics["seconds"]["encode"] > 0
    texts = toy / "toy" / "toy.text"
    texts.write_text(texts.read_text().replace("black cat", "black tomcat"))
    run("XLProfile", "toy", [toy_config], config)
    assert sum(encoded) == 48


def test_the_parts_of_a_split_share_the_vectors(toy: Path, toy_config: Path) -> None:
    dataset = _dataset(toy, "toy", files=[toy_config], show_progress=False)
    train, valid, _ = dataset.build()
    assert train._stored_vectors() is valid._stored_vectors()


# --- protocol and candidates -----------------------------------------------------------------------------------------


def _rows(part: Any) -> set[tuple[str, str]]:
    pairs = zip(part.inter_feat["user_id"].numpy(), part.inter_feat["item_id"].numpy(), strict=True)
    return {(part.id2token("user_id", user), part.id2token("item_id", item)) for user, item in pairs}


def test_a_single_language_keeps_its_users_rows_of_the_joint_split(toy: Path, toy_config: Path) -> None:
    joint = _dataset(toy, "toy", files=[toy_config]).build()
    single = _dataset(toy, "toy", files=[toy_config], protocol="single", protocol_language="de").build()
    for whole, part in zip(joint, single, strict=True):
        assert _rows(part) == {(user, item) for user, item in _rows(whole) if user.startswith("de-")}
        assert _rows(part)


def test_a_single_language_sees_the_texts_of_its_items_and_of_those_it_trains_on(write: Callable[..., Path]) -> None:
    single = {"protocol": "single", "protocol_language": "en"}
    train = _dataset(write(), **single).build()[0]
    assert set(train.item_ids[train.visible_items]) == {"a", "c"}  # u1 has met the German a
    assert dict(zip(train.item_ids, train.item_texts(), strict=True)) == {"[PAD]": "", "a": "Hund", "b": "", "c": "dog"}
    vectors = dict(zip(train.item_ids, train.text_vectors().any(axis=1).tolist(), strict=True))
    assert vectors == {"[PAD]": False, "a": True, "b": False, "c": True}


def test_a_language_without_training_rows_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="no user or item is in language 'it'; there are de, en"):
        _dataset(write(), protocol="single", protocol_language="it").build()
    with pytest.raises(DataError, match="no training interaction is left of users in 'en'"):
        _dataset(write(user=[("u1", "de"), *USERS[::2]]), protocol="single", protocol_language="en").build()
    without = _dataset(write(), protocol="single", protocol_language="en")
    (without.folder / "tiny.user").unlink()
    with pytest.raises(ConfigError, match=r"protocol: single needs a language column in tiny\.user"):
        without.build()


def test_benchmark_files_are_the_split(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    parts = {"train": EVENTS[:3], "valid": EVENTS[3:4], "test": EVENTS[4:]}
    data_path = write_dataset(tmp_path / "data", user=USERS, item=ITEMS, text=TEXTS)
    for part, rows in parts.items():
        frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
        write_atomic(data_path / "tiny" / f"tiny.{part}.inter", frame)
    config = {"benchmark_filename": list(parts)}
    built = _dataset(data_path, **config).build()
    assert [_rows(part) for part in built] == [{row[:2] for row in rows} for rows in parts.values()]
    single = _dataset(data_path, **config, protocol="single", protocol_language="de").build()
    assert [_rows(part) for part in single] == [{("u2", "b")}, {("u2", "a")}, {("u3", "c")}]
    (data_path / "tiny" / "tiny.valid.inter").unlink()
    with pytest.raises(DataError, match=r"tiny\.valid\.inter"):
        _dataset(data_path, **config)


def test_candidates_by_language_need_languages_of_users_and_items(write: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"candidates: language needs a language column in tiny\.item"):
        _dataset(write(item=None), candidates="language").candidate_limits()


def test_a_data_loader_gives_what_stock_recbole_gives(toy: Path, toy_config: Path) -> None:
    settings = _settings(toy, "toy", files=[toy_config])
    torch.manual_seed(0)
    ours = [batch[0]["user_id"].tolist() for batch in data_preparation(settings, xl_dataset(Dataset)(settings))[2]]
    torch.manual_seed(0)
    stock = [batch[0]["user_id"].tolist() for batch in data_preparation(settings, Dataset(settings))[2]]
    assert ours == stock
