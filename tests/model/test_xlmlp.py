"""XLMLP beyond the contract: labels, profiles without the row's own item, cold values, RecBole's value metrics."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.interaction import Interaction, cat_interactions
from recbole.utils import get_model, get_trainer, init_seed
from scipy.stats import rankdata
from sklearn.metrics import log_loss, roc_auc_score

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.model_file import load_model, save_model
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.errors import ConfigError, DataError

LANGUAGES, THEMES = ("en", "de"), ("sea", "war", "art", "sun")
USERS, ITEMS = 24, 16  # of each language; a user likes one theme, in either language
COLUMNS = {
    "inter": ("user_id", "item_id", "rating", "timestamp"),
    "item": ("item_id", "language", "category", "length"),
    "user": ("user_id", "language", "country"),
}
TYPES = {"category": "token_seq", "length": "float", "country": "token"}
LABELLED: dict[str, Any] = {
    "load_col": {
        "inter": ["user_id", "item_id", "rating", "timestamp"],
        "user": ["user_id", "country"],
        "item": ["item_id", "category", "length"],
    },
    "threshold": {"rating": 4},
    "numerical_features": ["length"],
    "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "group_by": "user", "mode": "labeled"},
    "metrics": ["AUC", "LogLoss"],
    "valid_metric": "AUC",
    "metric_decimal_place": 9,
    "train_batch_size": 128,
}
SAMPLED = {**LABELLED, "threshold": None, "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}}
RANKED = {"eval_args": {**LABELLED["eval_args"], "mode": "uni20"}, "metrics": ["GAUC", "NDCG"], "valid_metric": "GAUC"}


class Lab:
    """A dataset's parts and an untrained model on them."""

    def __init__(self, data_path: Path, dataset: str = "click", **config: Any) -> None:
        register()
        paths = {"data_path": str(data_path), "checkpoint_dir": str(data_path), "show_progress": False}
        self.settings = XLConfig("XLMLP", dataset, None, {**LABELLED, "state": "ERROR", **paths, **config})
        self.settings["run_folder"] = str(data_path)  # TensorBoard's thread outlives a test's working directory
        init_seed(self.settings["seed"], True)
        self.dataset = build_dataset(self.settings)
        self.parts = data_preparation(self.settings, self.dataset)
        self.train = self.parts[0]._dataset
        self.model = get_model("XLMLP")(self.settings, self.train)
        self.trainer = xl_trainer(get_trainer(self.settings["MODEL_TYPE"], "XLMLP"))(self.settings, self.model)

    def rows(self, part: int) -> Interaction:
        """All rows of the training (0), validation (1) or test (2) part, with the features of users and items."""
        dataset = self.parts[part]._dataset
        return dataset[torch.arange(len(dataset))]

    def ids(self, field: str, *tokens: str) -> torch.Tensor:
        """Internal ids."""
        return torch.tensor([self.dataset.token2id(field, token) for token in tokens])

    @torch.no_grad()
    def predict(self, rows: Interaction) -> torch.Tensor:
        """(rows,) probabilities."""
        return self.model.eval().predict(rows)


def _theme(number: int) -> str:
    return THEMES[number % len(THEMES)]


@pytest.fixture(scope="session")
def click(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., Path]) -> Path:
    """Users who give 5 to films of their theme, whatever its language, and 1 to others; ten films each."""
    draw = np.random.default_rng(3)
    items = [(f"{tag}:{n}", tag, f"{_theme(n)} film", 90 + n) for tag in LANGUAGES for n in range(ITEMS)]
    users = [(f"{tag}-{n}", tag, tag.upper()) for tag in LANGUAGES for n in range(USERS)]
    inter = []
    for user, _, _ in users:
        for place, item in enumerate(draw.permutation(len(items))[:12]):
            likes = _theme(int(user.split("-")[1])) in items[item][2]
            inter.append((user, items[item][0], 5 if likes else 1, place))
    text = [
        (item, tag, f"{_theme(int(item.split(':')[1]))} {_theme(int(item.split(':')[1]))}") for item, tag, *_ in items
    ]
    folder = tmp_path_factory.mktemp("click")
    return write_dataset(folder, "click", TYPES, COLUMNS, inter=inter, user=users, item=items, text=text)


@pytest.fixture(scope="module")
def lab(click: Path) -> Lab:
    return Lab(click)


@pytest.fixture(scope="module")
def trained(click: Path) -> Lab:
    made = Lab(click, epochs=25, learning_rate=0.01, id_embedding=False)
    made.trainer.fit(made.parts[0], saved=False, show_progress=False)
    return made


# --- what is learnt -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, {"id_embedding": False}, {"adapter": "none"}, {"adapter": "moe"}, SAMPLED])
def test_the_loss_is_finite_and_a_gradient_reaches_every_parameter(click: Path, config: dict[str, Any]) -> None:
    made = Lab(click, **config)
    loss = made.model.train().calculate_loss(next(iter(made.parts[0])))
    loss.backward()
    assert torch.isfinite(loss)
    lost = [name for name, weight in made.model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not lost


def test_likes_in_one_language_predict_likes_in_the_other(trained: Lab) -> None:
    rows, index = cat_interactions([trained.rows(1), trained.rows(2)]), trained.dataset.languages
    other = index.users[rows["user_id"]] != index.items[rows["item_id"]]  # (rows,)
    assert other.sum() > 20
    assert roc_auc_score(rows["label"][other], trained.predict(rows)[other]) > 0.9


def test_without_texts_and_ids_the_pattern_is_not_to_be_seen(click: Path) -> None:
    made = Lab(click, adapter="none", id_embedding=False, neighbourhood=False, epochs=10, learning_rate=0.01)
    made.trainer.fit(made.parts[0], saved=False, show_progress=False)
    rows = made.rows(2)
    assert roc_auc_score(rows["label"], made.predict(rows)) < 0.8


def test_two_trainings_with_one_seed_agree_exactly(click: Path) -> None:
    scores = []
    for _ in range(2):
        made = Lab(click, epochs=2)
        made.trainer.fit(made.parts[0], saved=False, show_progress=False)
        scores.append(made.predict(made.rows(2)))
    torch.testing.assert_close(*scores, rtol=0, atol=0)


def test_mixed_precision_on_the_cpu_trains_as_well(click: Path) -> None:
    made = Lab(click, epochs=8, enable_amp=True, id_embedding=False)
    before = made.trainer.evaluate(made.parts[1], load_best_model=False)["logloss"]
    made.trainer.fit(made.parts[0], saved=False, show_progress=False)
    scores = made.predict(made.rows(1))
    assert scores.dtype == torch.float32
    assert made.trainer.evaluate(made.parts[1], load_best_model=False)["logloss"] < before


# --- what a score depends on ----------------------------------------------------------------------------------------


def test_scores_do_not_depend_on_the_batch(trained: Lab) -> None:
    rows = trained.rows(2)
    alone = torch.cat([trained.predict(rows[row : row + 1]) for row in range(len(rows))])
    torch.testing.assert_close(alone, trained.predict(rows), rtol=1e-5, atol=1e-6)


def test_the_model_file_reproduces_the_scores(trained: Lab, click: Path, tmp_path: Path) -> None:
    save_model(trained.model, tmp_path / "model.safetensors")
    fresh = Lab(click, id_embedding=False)
    load_model(fresh.model, tmp_path / "model.safetensors")
    rows = trained.rows(2)
    torch.testing.assert_close(fresh.predict(rows), trained.predict(rows), rtol=0, atol=0)


def test_a_profile_is_the_mean_text_of_what_the_user_likes_without_the_row_s_own_item(lab: Lab) -> None:
    rows, vectors = lab.rows(0), lab.train.text_vectors()
    users, items, labels = (rows[field].numpy() for field in ("user_id", "item_id", "label"))
    for part, kind in enumerate((labels > 0, labels == 0)):
        raw = torch.from_numpy(vectors[items])
        found = lab.model.text.profiles[part](rows["user_id"], rows["item_id"], raw)
        for row in range(0, len(users), 7):
            others = (users == users[row]) & kind & (items != items[row])
            expected = vectors[items[others]].mean(axis=0) if others.any() else np.zeros(vectors.shape[1])
            np.testing.assert_allclose(found.mean[row], expected, atol=1e-5)
            assert found.absent[row] == float(not others.any())


@pytest.mark.parametrize("config", [{}, SAMPLED])
def test_a_training_row_s_own_label_changes_nothing_of_its_input(click: Path, config: dict[str, Any]) -> None:
    made = Lab(click, **config)
    row, others = made.train.inter_feat[:1], made.train.copy(made.train.inter_feat[1:])
    without = get_model("XLMLP")(made.settings, others)
    without.text.adapter = made.model.text.adapter
    inputs = (row["user_id"], row["item_id"])
    torch.testing.assert_close(made.model.text(*inputs), without.text(*inputs), rtol=1e-4, atol=1e-5)


def test_profiles_that_do_not_fit_in_memory_are_the_same(click: Path, lab: Lab) -> None:
    on_disk = Lab(click, text_memory_gb=1e-9)
    assert on_disk.model.text.profiles[0].sums is None
    assert on_disk.model.text.texts.vectors is None
    rows = lab.rows(2)
    on_disk.model.load_state_dict(lab.model.state_dict())
    torch.testing.assert_close(on_disk.predict(rows), lab.predict(rows), rtol=1e-5, atol=1e-6)


EACH = {"text_languages": "all", "text_versions": "each"}


@pytest.fixture(scope="module")
def parallel(click: Path, tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., Path]) -> Path:
    """The same where every other item has a text in both languages, of different words."""
    folder = tmp_path_factory.mktemp("parallel")
    shutil.copytree(click / "click", folder / "click", ignore=shutil.ignore_patterns(".vectors"))
    text = [
        (f"{own}:{n}", tag, f"{_theme(n)} {tag} {n}")
        for own in LANGUAGES
        for n in range(ITEMS)
        for tag in LANGUAGES
        if tag == own or n % 2
    ]
    return write_dataset(folder, "click", text=text)


def test_users_read_an_item_in_their_own_language_where_it_is_there(parallel: Path) -> None:
    made = Lab(parallel, **EACH)
    stored, starts = made.train.texts_as_read()
    matrix, users, items = stored.all(), made.train.languages.users, made.train.item_ids
    rows = made.rows(0)
    raw = torch.from_numpy(matrix[starts[rows["user_id"]] + rows["item_id"].numpy()])
    read = raw.numpy()
    en, de = (int(np.flatnonzero(users == made.train.languages.code(tag))[0]) for tag in LANGUAGES)
    for place, item in enumerate(items.tolist()[1:], start=1):
        same = np.array_equal(matrix[starts[en] + place], matrix[starts[de] + place])
        assert same == (int(item.split(":")[1]) % 2 == 0)
    for row in range(0, len(rows), 9):  # the profile is of what was read
        user, item = int(rows["user_id"][row]), int(rows["item_id"][row])
        others = (rows["user_id"] == user).numpy() & (rows["label"] > 0).numpy() & (rows["item_id"] != item).numpy()
        place = torch.tensor([starts[user] + item])
        found = made.model.text.profiles[0](rows["user_id"][row : row + 1], place, raw[row : row + 1])
        expected = read[others].mean(axis=0) if others.any() else np.zeros(read.shape[1])
        np.testing.assert_allclose(found.mean[0], expected, atol=1e-5)


def test_versions_that_do_not_fit_in_memory_are_the_same(parallel: Path) -> None:
    made, on_disk = Lab(parallel, **EACH), Lab(parallel, **EACH, text_memory_gb=1e-9)
    on_disk.model.load_state_dict(made.model.state_dict())
    torch.testing.assert_close(on_disk.predict(made.rows(2)), made.predict(made.rows(2)), rtol=1e-5, atol=1e-6)


def test_models_of_one_vector_an_item_refuse_several(parallel: Path) -> None:
    made = Lab(parallel, **EACH)
    with pytest.raises(ConfigError, match="text_versions: each gives an item several vectors"):
        made.train.text_rows()
    with pytest.raises(ConfigError, match="whitening_by: language exclude each other"):
        Lab(parallel, **EACH, whitening="zca", whitening_by="language")


def test_a_user_without_a_history_has_a_zero_profile_and_says_so(lab: Lab) -> None:
    nobody = torch.zeros(1, dtype=torch.int64)
    item = torch.ones(1, dtype=torch.int64)
    found = lab.model.text.profiles[0](nobody, item, lab.model.text.texts(item))
    assert not found.mean.any()
    assert found.absent.item() == 1


# --- what training never met ----------------------------------------------------------------------------------------


def test_the_id_and_the_values_of_an_item_that_training_never_met_add_nothing(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    items = [("a", "en", "sea", 90), ("b", "en", "war", 91), ("new", "de", "moon", 92)]
    inter = [("u", "a", 5, 0), ("u", "b", 1, 1), ("v", "a", 5, 0), ("v", "b", 1, 1), ("v", "new", 5, 2)]
    text = [("a", "en", "blue sea"), ("b", "en", "the war"), ("new", "de", "blue sea")]
    users = [("u", "en", "UK"), ("v", "en", "UK")]
    path = write_dataset(tmp_path / "data", "click", TYPES, COLUMNS, inter=inter, user=users, item=items, text=text)
    split = {"eval_args": {**LABELLED["eval_args"], "split": {"LS": "test_only"}, "order": "TO"}, "epochs": 1}
    made = Lab(path, **split, encoder_dimension=4)
    cold = made.rows(2)[made.rows(2)["item_id"] == made.ids("item_id", "new")]
    assert len(cold) == 1
    before = made.predict(cold)
    with torch.no_grad():
        table, offsets = made.model.token_embedding_table.embedding.weight, made.model.token_field_offsets
        start = offsets[made.model.token_field_names.index("item_id")]
        table[start + made.ids("item_id", "new")] += 5
        made.model.token_seq_embedding_table[0].weight[made.ids("category", "moon")] += 5
        made.model.languages.items.embedding.weight[made.dataset.languages.code("de")] += 5
    torch.testing.assert_close(made.predict(cold), before, rtol=0, atol=0)
    with torch.no_grad():
        table[start + made.ids("item_id", "a")] += 5
    assert not torch.equal(made.predict(made.rows(0)), before)


@pytest.mark.parametrize("lacking", [("user",), ("user", "item")])
def test_languages_that_the_dataset_lacks_are_left_out(
    lacking: tuple[str, ...], click: Path, tmp_path: Path, lab: Lab
) -> None:
    folder = tmp_path / "data" / "click"
    folder.mkdir(parents=True)
    for path in (click / "click").glob("click.*"):
        text = path.read_text(encoding="utf-8")
        gone = path.suffix[1:] in lacking
        (folder / path.name).write_text(text.replace("language:token", "old:token", 1) if gone else text, "utf-8")
    made = Lab(tmp_path / "data")
    assert made.model.languages.width == 0  # an index of languages begins with the users'
    assert lab.model.languages.width == 2 * 16 + 1
    assert torch.isfinite(made.predict(made.rows(2))).all()


# --- RecBole's evaluator --------------------------------------------------------------------------------------------


def test_value_metrics_equal_scikit_learn_s(trained: Lab) -> None:
    rows = trained.rows(2)
    labels, scores = rows["label"].numpy(), trained.predict(rows).double().numpy()
    found = trained.trainer.evaluate(trained.parts[2], load_best_model=False)
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)
    assert found["logloss"] == pytest.approx(log_loss(labels, scores), abs=1e-6)


def test_sampled_negatives_train_it_and_gauc_is_that_of_its_ranks(click: Path) -> None:
    made = Lab(click, **{**SAMPLED, **RANKED}, epochs=2)
    made.trainer.fit(*made.parts[:2], saved=False, show_progress=False)
    init_seed(1, True)
    found = made.trainer.evaluate(made.parts[2], load_best_model=False)
    init_seed(1, True)
    sums, weights = 0.0, 0
    for batch, users, positive_users, positives in made.parts[2]:
        scores, users = made.predict(batch).numpy(), np.asarray(users)
        for user in np.unique(users):
            items, first = np.unique(batch["item_id"][users == user].numpy(), return_index=True)  # drawn twice, once
            wanted = np.isin(items, positives[positive_users == user].numpy())
            ranks, count = rankdata(scores[users == user][first]), wanted.sum()
            auc = (ranks[wanted].sum() - count * (count + 1) / 2) / (count * (len(wanted) - count))
            sums, weights = sums + auc * count, weights + count
    assert found["gauc"] == pytest.approx(sums / weights, abs=1e-6)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"threshold": None}, ConfigError, "needs labels.*'label'.*threshold"),
        ({"train_neg_sample_args": SAMPLED["train_neg_sample_args"]}, ConfigError, "exclude each other"),
        ({"threshold": {"rating": 9}}, DataError, "training rows have the label 0"),
        ({"val_interval": {"rating": "[4,inf)"}}, DataError, "the label 1.*val_interval"),
        ({"threshold": None, "LABEL_FIELD": "rating"}, DataError, r"'rating': \d+ of \d+ .*outside 0 to 1"),
        ({"adapter": "cnn"}, ConfigError, "adapter is one of none, linear, mlp, moe; found 'cnn'"),
        ({"mlp_hidden_size": []}, ConfigError, "mlp_hidden_size"),
        ({"mlp_hidden_size": [64, 0]}, ConfigError, "mlp_hidden_size"),
        ({"dropout_prob": 1.0}, ConfigError, "dropout_prob"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    config: dict[str, Any], error: type[Exception], message: str, click: Path
) -> None:
    with pytest.raises(error, match=message):
        Lab(click, **config)


def test_a_model_of_nothing_is_refused(click: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "click"
    folder.mkdir(parents=True)
    for name in ("click.inter", "click.text"):
        (folder / name).write_bytes((click / "click" / name).read_bytes())
    nothing = {"load_col": {"inter": ["user_id", "item_id", "rating"]}, "numerical_features": []}
    with pytest.raises(ConfigError, match="leave nothing to learn from"):
        Lab(tmp_path / "data", **nothing, adapter="none", id_embedding=False)
