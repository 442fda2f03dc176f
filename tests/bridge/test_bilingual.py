"""Protocol bilingual: the dataset of editions, checked against the definition, and runs of models on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recbole.data.dataset import Dataset

from recbole_xlrec.bridge.bilingual import FOLDER, Bilingual, bilingual
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.protocol_keys import check_protocol
from recbole_xlrec.data.atomic import read_atomic, write_atomic
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.ranking import load_ranking

Event = tuple[str, str, int]
Keys = dict[str, Any]
USERS = [(f"u{number}", ("de", "en", "fr")[number % 3]) for number in range(30)]
#: Items 0 to 19 have both languages, 20 and 21 German alone, 22 English and French, 23 French alone, 24 no words.
TEXTS = [
    *[(f"{item}", language, f"{language} title {item}") for item in range(20) for language in ("en", "fr", "de")],
    *[(f"{item}", "de", f"de title {item}") for item in (20, 21)],
    *[("22", "fr", "fr title 22"), ("22", "en", "en title 22"), ("22", "de", " ")],
    *[("23", "fr", "fr title 23"), ("24", "und", "")],
]
ITEMS = [(f"{item}", "fr" if item == 23 else "de", f"c{item % 3}", item / 4) for item in range(25)]
COLUMNS = {"item": ("item_id", "language", "genre", "price")}
TYPES = {"genre": "token", "price": "float"}
EXPECTED = {
    **{f"{item}": [f"en:{item}", f"de:{item}"] for item in range(20)},
    **{"20": ["de:20"], "21": ["de:21"], "22": ["en:22"], "23": ["fr:23"], "24": ["de:24"]},
}


@cache
def _events() -> list[Event]:
    rng = np.random.default_rng(0)
    rows = [(user, str(item)) for user, _ in USERS for item in rng.permutation(25)[:15]]
    return [(user, item, time) for time, (user, item) in enumerate(rows)]


@pytest.fixture
def data(tmp_path: Path, write_dataset: Callable[..., Path]) -> Path:
    tables = {"inter": _events(), "user": USERS, "item": ITEMS, "text": TEXTS}
    return write_dataset(tmp_path / "data", types=TYPES, columns=COLUMNS, **tables)


def _settings(data_path: Path, model: str = "BPR", **more: Any) -> XLConfig:
    return XLConfig(model, "tiny", None, _config(data_path, **more))


def _config(data_path: Path, **more: Any) -> Keys:
    return {
        "data_path": str(data_path),
        "protocol": "bilingual",
        "protocol_language": ["en", "de"],
        "load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "genre"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "missing_text": "empty",
        "show_progress": False,
        "state": "ERROR",
        "encoder_dimension": 8,
        "epochs": 1,
        "topk": [5],
        "valid_metric": "NDCG@5",
        **more,
    }


@cache
def _defaults() -> Keys:
    return dict(_settings(Path()).final_config_dict)


def _made(data_path: Path, **more: Any) -> Bilingual:
    """The dataset of editions."""
    return bilingual({**_defaults(), "data_path": str(data_path / "tiny"), **more})


def _read(data_path: Path, part: str = "inter", **more: Any) -> pd.DataFrame:
    """The interactions of the dataset of editions."""
    return read_atomic(_made(data_path, **more).inter_folder / f"tiny.{part}")


def _table(data_path: Path, suffix: str, **more: Any) -> pd.DataFrame:
    return read_atomic(_made(data_path, **more).folder / f"tiny.{suffix}")


def _shuffle(path: Path) -> None:
    """Turns the lines below the header round, and those of each half."""
    head, *lines = path.read_text().splitlines(keepends=True)
    half = len(lines) // 2
    path.write_text("".join([head, *lines[half:], *lines[:half][::-1]]))


# --- the editions ----------------------------------------------------------------------------------------------------


def test_every_item_has_one_edition_for_each_language_that_it_has_texts_in(data: Path) -> None:
    items = _table(data, "item")
    assert items.groupby("work_id", sort=False)["item_id"].agg(list).to_dict() == EXPECTED
    assert items["item_id"].is_unique
    assert (items["item_id"] == items["language"] + ":" + items["work_id"]).all()
    genre, price = ({row[0]: row[place] for row in ITEMS} for place in (2, 3))
    assert items["genre"].tolist() == items["work_id"].map(genre).tolist()
    assert items["price"].tolist() == items["work_id"].map(price).tolist()


def test_an_edition_has_the_text_in_its_language_and_an_item_in_none_keeps_its_own(data: Path) -> None:
    texts = _table(data, "text")
    wanted = {(f"{language}:{item}", language, f"{language} title {item}") for item, language, _ in TEXTS[:60]}
    wanted = {row for row in wanted if row[1] != "fr"}
    wanted |= {(f"de:{item}", "de", f"de title {item}") for item in (20, 21)}
    wanted |= {("en:22", "en", "en title 22"), ("fr:23", "fr", "fr title 23"), ("de:24", "und", "")}
    assert set(texts.itertuples(index=False, name=None)) == wanted
    assert len(texts) == len(wanted)


def test_interactions_are_those_of_the_dataset_each_with_one_edition_of_its_item(data: Path) -> None:
    rows, before = _read(data), read_atomic(data / "tiny" / "tiny.inter")
    works = rows["item_id"].str.split(":").str[1]
    assert rows.assign(item_id=works).equals(before)
    assert all(edition in EXPECTED[work] for edition, work in zip(rows["item_id"], works, strict=True))
    assert _table(data, "user").equals(read_atomic(data / "tiny" / "tiny.user"))


def test_items_without_an_item_file_are_those_of_the_interactions(data: Path) -> None:
    inter = read_atomic(data / "tiny" / "tiny.inter")
    (data / "tiny" / "tiny.item").unlink()
    write_atomic(data / "tiny" / "tiny.inter", inter[~inter["item_id"].isin(["0", "20"])])
    expected = {item: editions for item, editions in EXPECTED.items() if item not in ("0", "20")}
    items = _table(data, "item")
    assert items.groupby("work_id")["item_id"].agg(list).to_dict() == {**expected, "24": ["und:24"]}
    assert set(_table(data, "text")["item_id"]) >= {"en:0", "de:20"}


# --- the coins -------------------------------------------------------------------------------------------------------


def _many(folder: Path, write_dataset: Callable[..., Path]) -> Path:
    """100 users who have all met 100 items."""
    inter = [(f"u{user}", f"{item}", item) for user in range(100) for item in range(100)]
    texts = [(f"{item}", language, "words") for item in range(100) for language in ("en", "de", "fr")]
    return write_dataset(folder, inter=inter, text=texts)


def test_the_share_of_the_second_language_is_as_asked_for(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    data_path = _many(tmp_path, write_dataset)
    for share in (0.1, 0.5, 0.9):
        german = _read(data_path, protocol_share=share)["item_id"].str.startswith("de:")
        bound = 4 * np.sqrt(share * (1 - share) / len(german))
        assert abs(german.mean() - share) < bound
    shares = _read(data_path, protocol_language=["en", "de", "fr"], protocol_share=0.5)["item_id"].str[:2]
    for language, share in {"en": 0.5, "de": 0.25, "fr": 0.25}.items():
        assert abs((shares == language).mean() - share) < 4 * np.sqrt(share * (1 - share) / 10_000)


def test_coins_do_not_depend_on_the_order_of_the_files(data: Path) -> None:
    before = set(_read(data).itertuples(index=False, name=None))
    for suffix in ("inter", "item", "text"):
        _shuffle(data / "tiny" / f"tiny.{suffix}")
    rows = _read(data)
    assert rows["timestamp"].tolist() != sorted(rows["timestamp"])
    assert set(rows.itertuples(index=False, name=None)) == before


def test_the_same_seed_gives_the_same_files_and_another_seed_other_coins(data: Path) -> None:
    first = _made(data, seed=1)
    files = {path.name: path.read_bytes() for folder in first for path in folder.glob("*.*") if path.is_file()}
    shutil.rmtree(data / "tiny" / FOLDER)
    again = _made(data, seed=1)
    assert again == first
    assert files == {path.name: path.read_bytes() for folder in again for path in folder.glob("*.*") if path.is_file()}
    other = _made(data, seed=2)
    assert other.folder == first.folder  # its items, texts and vectors are those of all seeds
    editions = [read_atomic(found.inter_folder / "tiny.inter")["item_id"] for found in (first, other)]
    both = editions[0].str.split(":").str[1].astype(int) < 20
    assert 0.35 < (editions[0] == editions[1])[both].mean() < 0.65


def test_parts_in_files_of_their_own_are_read_with_coins_of_their_own(data: Path) -> None:
    inter = read_atomic(data / "tiny" / "tiny.inter")
    (data / "tiny" / "tiny.inter").unlink()
    for part in ("train", "valid", "test"):
        write_atomic(data / "tiny" / f"tiny.{part}.inter", inter)
    parts = [_read(data, f"{part}.inter")["item_id"] for part in ("train", "valid", "test")]
    assert len({tuple(part) for part in parts}) == 3
    files: Keys = {"benchmark_filename": ["train", "valid", "test"]}
    built = build_dataset(_settings(data, **files)).build()
    for rows, part in zip(parts, built, strict=True):
        assert part.id2token("item_id", part.inter_feat["item_id"]).tolist() == rows.tolist()


# --- made once -------------------------------------------------------------------------------------------------------


def test_a_dataset_of_editions_is_found_again_until_a_file_or_a_key_changes(data: Path) -> None:
    def found(**more: Any) -> tuple[Path, float]:
        path = _made(data, **more).inter_folder / "tiny.inter"
        return path, path.stat().st_mtime_ns

    first = found()
    assert found() == first
    keys: list[Keys] = [{"protocol_language": ["de", "en"]}, {"protocol_share": 0.4}, {"seed": 7}]
    assert len({first, *(found(**more) for more in keys)}) == 4
    _shuffle(data / "tiny" / "tiny.user")
    assert found()[0] not in {first[0]}


def test_a_half_written_and_a_changed_dataset_are_made_again(data: Path) -> None:
    made = _made(data)
    whole = {folder: (folder / "meta.json").read_bytes() for folder in made}
    made.folder.rename(made.folder.with_name(f"{made.folder.name}.partial"))  # as a kill before the renaming leaves it
    assert _made(data) == made
    assert {folder: (folder / "meta.json").read_bytes() for folder in made} == whole
    assert not made.folder.with_name(f"{made.folder.name}.partial").exists()
    for path in (made.folder / "tiny.text", made.inter_folder / "tiny.inter"):
        before = path.read_bytes()
        path.write_bytes(before[: len(before) // 2])
        _made(data)
        assert path.read_bytes() == before


# --- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["BPR", "SASRec", "XLEASE", "XLProfile"])
def test_models_run_on_the_editions(model: str, data: Path, tmp_path: Path) -> None:
    small = {"hidden_size": 8, "inner_size": 8, "n_heads": 1, "n_layers": 1, "train_neg_sample_args": None}
    config = _config(data, run_path=str(tmp_path / "runs"), ranking_k=50, **(small if model == "SASRec" else {}))
    found = run(model, "tiny", None, config)
    assert found.folder.parent == tmp_path / "runs" / "tiny" / model
    assert found.folder.name.startswith("bilingual-2020-")
    assert (found.metrics["dataset"], found.metrics["protocol"]) == ("tiny", "bilingual")
    assert set(found.metrics["test_by_language"]) == {"de", "en", "fr"}  # of the users, as before
    last = _read(data).groupby("user_id")["item_id"].last()
    ranking = load_ranking(found.folder / "ranking.npz")
    assert dict(zip(ranking.query_ids, ranking.target_ids[:, 0], strict=True)) == last.to_dict()
    assert set(ranking.item_ids.ravel()) - {""} == {edition for editions in EXPECTED.values() for edition in editions}
    assert not run(model, "tiny", None, config).fresh


def test_models_see_languages_texts_and_works_of_editions_and_vectors_serve_all_seeds(data: Path) -> None:
    built = [build_dataset(_settings(data, "XLEASE", seed=seed)) for seed in (1, 2)]
    first = built[0]
    names = first.item_ids[1:]
    assert [first.languages.names[code] for code in first.languages.items[1:]] == [name[:2] for name in names]
    texts = dict(zip(names, first.item_texts()[1:], strict=True))
    assert (texts["en:3"], texts["de:3"]) == ("en title 3", "de title 3")
    assert [works[0] for works in first.item_feature("work_id")[1:]] == [name[3:] for name in names]
    vectors = [dataset.build()[0].text_vectors() for dataset in built]
    assert {dataset.folder for dataset in built} == {first.folder}
    assert len([path for path in (first.folder / ".vectors").iterdir() if path.is_dir()]) == 1
    assert vectors[0].any(axis=1).sum() >= len(names) - 1  # but for the item without words
    assert not (data / "tiny" / ".vectors").exists()


def test_a_share_of_none_is_the_dataset_in_the_first_language_with_other_names(data: Path, tmp_path: Path) -> None:
    inter = read_atomic(data / "tiny" / "tiny.inter")
    names = {item: editions[0] for item, editions in EXPECTED.items()}
    relabelled = tmp_path / "relabelled" / "tiny"
    write_atomic(relabelled / "tiny.inter", inter.assign(item_id=inter["item_id"].map(names)))
    assert read_atomic(relabelled / "tiny.inter").equals(_read(data, protocol_share=0))
    inter_alone = {"inter": ["user_id", "item_id", "timestamp"]}
    rest = {"run_path": str(tmp_path / "runs"), "load_col": inter_alone, "epochs": 3}
    ours = run("BPR", "tiny", None, _config(data, protocol_share=0, **rest))
    joint = {"protocol": "joint", "protocol_language": None}
    stock = run("BPR", "tiny", None, _config(tmp_path / "relabelled", **joint, **rest))
    assert ours.metrics["test"] == stock.metrics["test"]
    assert ours.metrics["valid"] == stock.metrics["valid"]
    rankings = [load_ranking(found.folder / "ranking.npz") for found in (ours, stock)]
    assert (rankings[0].item_ids == rankings[1].item_ids).all()
    assert np.array_equal(rankings[0].scores, rankings[1].scores)


def test_other_protocols_read_the_dataset_itself(data: Path) -> None:
    joint = build_dataset(_settings(data, protocol="joint", protocol_language=None))
    assert joint.folder == data / "tiny"
    assert set(joint.item_ids[1:]) == set(EXPECTED)
    assert not (data / "tiny" / FOLDER).exists()


def test_an_entity_is_doubled_with_its_item(data: Path) -> None:
    links = pd.DataFrame({"item_id": ["0", "1", "23"], "entity_id": ["e0", "e1", "e23"]})
    triples = pd.DataFrame([("e0", "by", "x"), ("e1", "follows", "e0"), ("e23", "by", "x")])
    triples.columns = ["head_id", "relation_id", "tail_id"]
    kinds = dict.fromkeys([*links, *triples], "token")
    write_atomic(data / "tiny" / "tiny.link", links, kinds)
    write_atomic(data / "tiny" / "tiny.kg", triples, kinds)
    found = set(_table(data, "kg").itertuples(index=False, name=None))
    follows = {(f"{one}:e1", "follows", f"{other}:e0") for one in ("en", "de") for other in ("en", "de")}
    assert found == {("en:e0", "by", "x"), ("de:e0", "by", "x"), ("fr:e23", "by", "x"), *follows}
    built = build_dataset(_settings(data, "CKE", load_col=None))
    names = [f"{language}:{number}" for language in ("en", "de") for number in (0, 1)]
    assert built.item2entity == {**{name: f"{name[:3]}e{name[3:]}" for name in names}, "fr:23": "fr:e23"}
    assert len(built.item2entity) == len(built.entity2item)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"protocol_language": None}, r"bilingual needs two or more languages, as in .*\[en, de\]; found none"),
        ({"protocol_language": "en"}, "two or more languages, as in .*; found 'en'"),
        ({"protocol_language": ["en"]}, "two or more languages, as in .*; found 'en'"),
        ({"protocol_by": "items"}, "protocol: bilingual goes by users"),
        ({"protocol": "joint"}, "joint has no protocol_language; .* bilingual has several"),
        *[({"protocol_share": share}, "protocol_share is the chance .*found") for share in (-0.1, 1.1, True, "half")],
        ({"protocol_share": float("nan")}, "protocol_share is the chance .*found nan"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: Keys, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_protocol({**_defaults(), **keys})


def test_a_run_refuses_keys_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="two or more languages"):
        _settings(Path(), protocol_language="en")
    with pytest.raises(ConfigError, match=r"protocol_language: .*twice"):
        _settings(Path(), protocol_language=["en", "EN"])


def test_a_dataset_without_texts_is_refused(data: Path) -> None:
    (data / "tiny" / "tiny.text").unlink()
    with pytest.raises(DataError, match=r"needs the text table .*tiny\.text.* in which of en, de .*another protocol"):
        build_dataset(_settings(data))


def test_languages_that_no_item_has_are_refused(data: Path) -> None:
    for languages, absent in ((["en", "it"], "'it'"), (["ja", "ko"], "'ja', 'ko'")):
        with pytest.raises(DataError, match=rf"has a text in {absent}; there are texts in .*en \(21\).* Take two"):
            _made(data, protocol_language=languages)
    texts = read_atomic(data / "tiny" / "tiny.text").drop_duplicates("item_id", keep="first")
    write_atomic(data / "tiny" / "tiny.text", texts)
    with pytest.raises(DataError, match="texts in two of en, de, so that a coin would decide nothing"):
        _made(data)


def test_items_that_are_editions_are_refused(data: Path, toy: Path) -> None:
    with pytest.raises(
        DataError, match=r"editions already: .* item ids begin with a language: 'en:0'.*--identity item"
    ):
        bilingual(XLConfig("BPR", "toy", None, _config(toy)))
    items = read_atomic(data / "tiny" / "tiny.item")
    shared = items.assign(work_id=["w" if item in ("0", "23") else item for item in items["item_id"]])
    write_atomic(data / "tiny" / "tiny.item", shared, TYPES)
    with pytest.raises(DataError, match=r"1 of its work_id belong to items in several languages: 'w'"):
        _made(data)


def test_columns_of_histories_are_refused(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"alias_of_item_id: \['item_id_list'\] names columns of more"):
        _made(data, alias_of_item_id=["item_id_list"])


def test_a_missing_file_is_named_where_the_dataset_is(data: Path) -> None:
    (data / "tiny" / "tiny.inter").unlink()
    with pytest.raises(DataError, match=rf"{data / 'tiny' / 'tiny.inter'} does not exist"):
        build_dataset(_settings(data))
    with pytest.raises(DataError, match="no dataset folder"):
        build_dataset(XLConfig("BPR", "tinny", None, _config(data)))


def test_the_dataset_class_of_recbole_is_untouched(data: Path) -> None:
    assert set(Dataset(_settings(data)).field2id_token["item_id"][1:]) == set(EXPECTED)
