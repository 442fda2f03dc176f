"""Exports of item vectors, and lists that come from their index."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_xlrec.data.atomic import read_atomic
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.filters import custom
from recbole_xlrec.serving import Recommender
from recbole_xlrec.serving.approximate import IndexScorer
from recbole_xlrec.serving.export import export
from recbole_xlrec.serving.queries import Recommendations

from .conftest import Make, Serve

faiss = pytest.importorskip("faiss")
NAMES = ["XLProfile", "XLAlphaRec", "XLSASRec", "XLSASRec/transitions"]
Indexed = Callable[[str], Recommender]


@pytest.fixture(scope="module")
def indexed(serve: Serve, make: Make, tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    """The recommender of a model by an exact index, loaded once."""
    made: dict[str, Recommender] = {}

    def open_(name: str) -> Recommender:
        if name not in made:
            folder = tmp_path_factory.mktemp("export") / "items"
            export(serve(name), folder, "flat")
            made[name] = Recommender.from_run(make(name).folder, index=folder)
        return made[name]

    return open_


def _same(found: Recommendations, wanted: Recommendations) -> None:
    assert found.item_ids.tolist() == wanted.item_ids.tolist()
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-5, atol=1e-6)
    assert (found.sources, found.notes, found.unknown) == (wanted.sources, wanted.notes, wanted.unknown)


def _by_index(recommender: Recommender) -> IndexScorer:
    assert isinstance(recommender.scorer, IndexScorer)
    return recommender.scorer


@pytest.mark.parametrize("name", NAMES)
def test_lists_by_an_exact_index_are_those_without_it(name: str, serve: Serve, indexed: Indexed) -> None:
    users = [f"{tag}-{number}" for tag in ("en", "de") for number in range(12)]
    histories = [["en:0", "en:2"], ["de:3", "gone"], []]
    for k in (1, 3):
        _same(indexed(name).recommend(histories, users, k), serve(name).recommend(histories, users, k))


@pytest.mark.parametrize(
    "options",
    [
        {"languages": ["de"]},
        {"languages": ["de", "en"], "one_edition_per_work": True},
        {"categories": ["vehicles"], "exclude_seen": True},
        {"unavailable": ["en:1", "en:3"], "exclude_seen": False},
        {"languages": ["de", "en"], "filters": [custom("even", lambda items: items % 2 == 0)]},
        {"k": 1000},
        {"k": 3, "unavailable": [f"{tag}:{number}" for tag in ("en", "de") for number in range(12)]},
        {"k": 2, "explain": True},
    ],
    ids=lambda options: " ".join(options),
)
def test_filters_and_limits_hold_by_an_index_too(options: dict[str, Any], serve: Serve, indexed: Indexed) -> None:
    asked: dict[str, Any] = {"histories": [["en:0", "en:2"], ["de:3"]], "k": 4, **options}
    found, wanted = (recommender("XLProfile").recommend(**asked) for recommender in (indexed, serve))
    _same(found, wanted)
    assert found.reasons == wanted.reasons


def test_where_an_index_gives_too_few_the_list_is_made_from_all_items_and_counted(
    serve: Serve, indexed: Indexed
) -> None:
    recommender = indexed("XLProfile")
    asked: dict[str, Any] = {"histories": [["en:0"]], "k": 2, "languages": ["de", "en"]}
    best = serve("XLProfile").recommend(**{**asked, "k": 24}).item_ids[0].tolist()
    scorer = _by_index(recommender)
    before = scorer.exact
    recommender.recommend(**asked)
    assert scorer.exact == before
    found = recommender.recommend(**asked, unavailable=best[:12])  # half is left, and none of it among the nearest 6
    assert found.item_ids[0].tolist() == best[12:14]
    assert scorer.exact == before + 1


def test_an_export_says_what_it_is_and_its_files_agree(serve: Serve) -> None:
    recommender = serve("XLSASRec")
    export(recommender, Path("items"), "hnsw")
    assert sorted(path.name for path in Path("items").iterdir()) == [
        *("index.faiss", "items.tsv", "meta.json", "vectors.npy")
    ]
    vectors = np.load("items/vectors.npy", mmap_mode="r", allow_pickle=False)
    items, meta = read_atomic(Path("items/items.tsv")), json.loads(Path("items/meta.json").read_text())
    assert items["item_id"].tolist() == recommender.catalogue.ids[1:].tolist()
    assert items["language"].tolist() == [item.split(":")[0] for item in items["item_id"]]
    assert (vectors.shape, vectors.dtype) == ((24, 16), np.float32)
    assert (meta["model"], meta["items"], meta["width"], meta["metric"]) == ("XLSASRec", 24, 16, "inner product")
    assert meta["index"]["kind"] == "hnsw"
    assert meta["index"]["recall@24"] >= 0.98
    assert faiss.read_index("items/index.faiss").reconstruct(5).tolist() == vectors[5].tolist()


def test_an_export_replaces_an_older_one_and_nothing_else(serve: Serve) -> None:
    for _ in range(2):
        export(serve("XLProfile"), Path("items"), "flat")
    Path("items/diary.txt").write_text("mine")
    with pytest.raises(DataError, match=r"items holds other files, 'diary\.txt'"):
        export(serve("XLProfile"), Path("items"), "flat")


@pytest.mark.parametrize("name", ["XLEASE", "EASE", "BPR"])
def test_models_whose_score_is_no_inner_product_say_so(name: str, serve: Serve, make: Make) -> None:
    with pytest.raises(ConfigError, match=f"the score of {name} is no inner product"):
        export(serve(name), Path("items"))
    with pytest.raises(ConfigError, match=f"the score of {name} is no inner product"):
        Recommender.from_run(make(name).folder, index="items")


def test_a_catalogue_too_small_for_cells_is_told_to_take_flat(serve: Serve) -> None:
    with pytest.raises(ConfigError, match=r"ivf needs 39 items.*found 24 items.*--index flat"):
        export(serve("XLProfile"), Path("items"), "ivf")


def test_vectors_of_a_diverged_model_are_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender = serve("XLProfile")
    broken = recommender.run.model.items_once().clone()
    broken[3, 0] = np.nan
    monkeypatch.setattr(recommender.run.model, "items_once", lambda: broken)
    with pytest.raises(DataError, match=r"the vectors of 1 of 24 items .*diverged"):
        export(recommender, Path("items"), "flat")


def test_new_items_and_an_index_do_not_go_together(make: Make, serve: Serve) -> None:
    export(serve("XLProfile"), Path("items"), "flat")
    Path("new.jsonl").write_text('{"item_id": "new", "language": "en", "title": "green cat"}\n')
    with pytest.raises(ConfigError, match="new items are not in the index"):
        Recommender.from_run(make("XLProfile").folder, new_items="new.jsonl", index="items")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["vectors.npy", "items.tsv", "index.faiss"])
@pytest.mark.parametrize("harm", [_cut, _one_bit, Path.unlink])
def test_a_file_that_is_cut_changed_or_gone_is_named(
    name: str, harm: Callable[[Path], None], serve: Serve, make: Make
) -> None:
    export(serve("XLProfile"), Path("items"), "flat")
    harm(Path("items", name))
    with pytest.raises(DataError, match=f"{name}' is gone or has changed.*Export the run again"):
        Recommender.from_run(make("XLProfile").folder, index="items")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda meta: meta.update(format_version=2), "format 2; this version reads 1"),
        (lambda meta: meta.pop("sha256"), "is broken: KeyError"),
        (lambda meta: meta["index"].update(kind="tree"), "does not name a kind of index"),
        (lambda meta: meta.clear(), "is broken"),
        (lambda meta: meta.update(run_sha256="0"), "was exported from another run"),
    ],
)
def test_notes_that_are_not_as_they_must_be_are_refused(
    change: Callable[[dict], None], message: str, serve: Serve, make: Make
) -> None:
    export(serve("XLProfile"), Path("items"), "flat")
    path = Path("items/meta.json")
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))
    with pytest.raises(DataError, match=f"{message}.*Export the run again"):
        Recommender.from_run(make("XLProfile").folder, index="items")


def test_another_runs_export_and_a_folder_without_one_are_refused(serve: Serve, make: Make) -> None:
    export(serve("XLProfile"), Path("items"), "flat")
    with pytest.raises(DataError, match="was exported from another run"):
        Recommender.from_run(make("XLSASRec").folder, index="items")
    with pytest.raises(DataError, match=r"nowhere is no whole export: there is no meta\.json"):
        Recommender.from_run(make("XLProfile").folder, index="nowhere")


def test_an_index_of_other_vectors_is_refused_though_its_hash_is_noted(serve: Serve, make: Make) -> None:
    from recbole_xlrec.data.files import file_hash

    export(serve("XLProfile"), Path("items"), "flat")
    faiss.write_index(faiss.IndexFlatIP(3), "items/index.faiss")
    meta = json.loads(Path("items/meta.json").read_text())
    meta["sha256"]["index.faiss"] = file_hash("items/index.faiss")
    Path("items/meta.json").write_text(json.dumps(meta))
    with pytest.raises(DataError, match=r"index\.faiss is not of vectors\.npy"):
        Recommender.from_run(make("XLProfile").folder, index="items")
    shutil.copy("items/meta.json", "items/index.faiss")
    meta["sha256"]["index.faiss"] = file_hash("items/index.faiss")
    Path("items/meta.json").write_text(json.dumps(meta))
    with pytest.raises(DataError, match="cannot be read as a FAISS index"):
        Recommender.from_run(make("XLProfile").folder, index="items")
