"""XLBERT beyond the contract: what it learns, what of it is trained and kept, its two forms, memory, bad input."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed
from safetensors import safe_open
from sklearn.metrics import roc_auc_score

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.model_file import load_model, save_model
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.errors import ConfigError, DataError, EncoderError
from recbole_xlrec.model.bert.towers import Backbone

LANGUAGES = {"en": ("sea", "war"), "de": ("Meer", "Krieg")}
COLUMNS = {"inter": ("user_id", "item_id", "rating", "timestamp"), "text": ("item_id", "language", "title", "genres")}
USERS, ITEMS = 12, 8  # of each language
#: An untrained language model learns at a far higher rate than a pretrained one.
SMALL: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
    "threshold": {"rating": 4},
    "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "group_by": "user", "mode": "labeled"},
    "metrics": ["AUC", "LogLoss"],
    "valid_metric": "AUC",
    "learning_rate": 0.01,
    "train_batch_size": 32,
    "history_items": 3,
    "text_tokens": 12,
    "head_hidden_size": 16,
    "dropout_prob": 0.0,
    "encoder_dropout": 0.0,
    "epochs": 16,
    "stopping_step": 20,
    "lora_rank": 4,
    "show_progress": False,
    "state": "ERROR",
}
SLOW = pytest.mark.slow
TUNINGS = ("full", "head", "lora", "adalora", "ia3")


class Lab:
    """A dataset's parts and an untrained model on them."""

    def __init__(self, data_path: Path, encoder: Path, **config: Any) -> None:
        register()
        paths = {"data_path": str(data_path), "checkpoint_dir": str(data_path), "encoder": str(encoder)}
        self.settings = XLConfig("XLBERT", "click", None, {**SMALL, **paths, **config})
        self.settings["run_folder"] = str(data_path)  # TensorBoard's thread outlives a test's working directory
        init_seed(self.settings["seed"], True)
        self.dataset = build_dataset(self.settings)
        self.parts = data_preparation(self.settings, self.dataset)
        self.model = get_model("XLBERT")(self.settings, self.parts[0]._dataset)
        self.trainer = xl_trainer(get_trainer(self.settings["MODEL_TYPE"], "XLBERT"))(self.settings, self.model)

    def fit(self) -> Lab:
        """Trains without looking at validation."""
        self.trainer.fit(self.parts[0], saved=False, show_progress=False)
        return self

    def rows(self, part: int) -> Interaction:
        """All rows of the training (0), validation (1) or test (2) part."""
        dataset = self.parts[part]._dataset
        return dataset[torch.arange(len(dataset))]

    @torch.no_grad()
    def predict(self, rows: Interaction) -> torch.Tensor:
        """(rows,) probabilities."""
        return self.model.eval().predict(rows)

    def auc(self) -> float:
        """Of validation and test."""
        rows = [self.rows(1), self.rows(2)]
        labels = torch.cat([part["label"] for part in rows])
        return float(roc_auc_score(labels, torch.cat([self.predict(part) for part in rows])))


@pytest.fixture(scope="session")
def click(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., Path]) -> Path:
    """Users who give 5 to films of their theme, whatever its language, and 1 to others; ten films each."""
    draw = np.random.default_rng(3)
    items = [(f"{tag}:{n}", tag) for tag in LANGUAGES for n in range(ITEMS)]
    users = [(f"{tag}-{n}", tag) for tag in LANGUAGES for n in range(USERS)]
    text = [(item, tag, LANGUAGES[tag][int(item[-1]) % 2], "film" if item[-1] < "4" else "book") for item, tag in items]
    inter = [
        (user, items[item][0], 5 if int(user.split("-")[1]) % 2 == int(items[item][0][-1]) % 2 else 1, place)
        for user, _ in users
        for place, item in enumerate(draw.permutation(len(items))[:10])
    ]
    folder = tmp_path_factory.mktemp("click")
    return write_dataset(folder, "click", None, COLUMNS, inter=inter, user=users, item=items, text=text)


WORDS = [word for found in LANGUAGES.values() for word in found]
TEXTS = [*WORDS, *(f"{word}. {kind}" for word in WORDS for kind in ("film", "book")), "mer"]


@pytest.fixture(scope="session")
def encoder(small_language_model: Callable[..., Path]) -> Path:
    return small_language_model(TEXTS)


@pytest.fixture(scope="module")
def tuned(click: Path, encoder: Path) -> Lab:
    return Lab(click, encoder, tuning="lora", bert_form="two_tower").fit()


# --- what is learnt -------------------------------------------------------------------------------------------------


def test_two_towers_learn_where_the_text_decides(click: Path, encoder: Path) -> None:
    assert Lab(click, encoder, bert_form="two_tower").fit().auc() > 0.9


@pytest.mark.slow
def test_a_cross_encoder_learns_where_the_text_decides(click: Path, small_language_model: Callable[..., Path]) -> None:
    wide = small_language_model(TEXTS, hidden_size=32, initializer_range=0.5)  # to compare is to be learnt first
    assert Lab(click, wide, learning_rate=0.003, epochs=30, train_batch_size=16).fit().auc() > 0.9


@pytest.mark.parametrize("tuning", TUNINGS)
def test_every_way_of_tuning_trains_and_says_how_much_is_trained(
    tuning: str, click: Path, encoder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="recbole_xlrec")
    made = Lab(click, encoder, tuning=tuning, bert_form="two_tower", epochs=3)
    sizes = {name: weights.numel() for name, weights in made.model.named_parameters()}
    trained = sum(weights.numel() for weights in made.model.parameters() if weights.requires_grad)
    assert f"{trained} of {sum(sizes.values())} parameters are trained" in caplog.text
    before = {name: weights.detach().clone() for name, weights in made.model.named_parameters()}
    first = made.model.train().calculate_loss(made.rows(0)).item()
    made.fit()
    assert made.model.train().calculate_loss(made.rows(0)).item() < first
    moved = {name for name, weights in made.model.named_parameters() if not torch.equal(weights, before[name])}
    assert moved == {name for name, weights in made.model.named_parameters() if weights.requires_grad}


def test_adalora_is_left_with_the_ranks_that_were_asked_for(click: Path, encoder: Path) -> None:
    made = Lab(click, encoder, tuning="adalora", lora_rank=2, epochs=4)
    ranks = [weights for name, weights in made.model.named_parameters() if "lora_E" in name]
    assert {len(weights) for weights in ranks} == {3}
    made.fit()
    left = sum(int((weights != 0).sum()) for weights in ranks)
    assert left == 2 * len(ranks)


@pytest.mark.parametrize(("attack", "form"), [("fgm", "cross"), ("pgd", "two_tower")])
def test_an_attack_adds_a_loss_that_is_at_least_as_high(attack: str, form: str, click: Path, encoder: Path) -> None:
    plain = Lab(click, encoder, bert_form=form)
    moved = Lab(click, encoder, bert_form=form, word_attack=attack, tuning="lora")
    batch = plain.rows(0)
    np.random.seed(0)
    once = plain.model.train().calculate_loss(batch).item()
    np.random.seed(0)
    both = moved.model.train().calculate_loss(batch)
    assert both.item() > 2 * once  # lora begins as the model itself
    both.backward()
    assert all(weights.grad is not None for weights in moved.model.parameters() if weights.requires_grad)


def test_gradient_checkpointing_changes_no_gradient(click: Path, encoder: Path) -> None:
    gradients = []
    for on in (False, True):
        made = Lab(click, encoder, gradient_checkpointing=on)
        np.random.seed(0)
        made.model.train().calculate_loss(made.rows(0)).backward()
        gradients.append({name: weights.grad for name, weights in made.model.named_parameters()})
    layers = made.model.form.backbone.transformer.encoder.layer
    assert all(layer.gradient_checkpointing for layer in layers)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_the_rate_rises_and_falls_by_a_straight_line(click: Path, encoder: Path) -> None:
    made = Lab(click, encoder, epochs=2, train_batch_size=40, warmup_share=0.25, layer_decay=0.5, tuning="head")
    rates: list[list[float]] = []
    made.trainer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append([group["lr"] for group in optimizer.param_groups])
    )
    made.fit()
    assert len(rates) == 2 * len(made.parts[0]) >= 8
    total, warm = len(rates), round(0.25 * len(rates))
    expected = [0.01 * min(step / warm, (total - step) / (total - warm)) for step in range(total)]
    np.testing.assert_allclose(np.array(rates)[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("tuning", ["lora", pytest.param("adalora", marks=SLOW), pytest.param("ia3", marks=SLOW)])
def test_adapters_train_on_a_bfloat16_model(tuning: str, click: Path, encoder: Path) -> None:
    made = Lab(click, encoder, encoder_dtype="bfloat16", tuning=tuning, word_attack="fgm", epochs=1)
    kinds = {weights.dtype for weights in made.model.parameters() if weights.requires_grad}
    assert kinds == {torch.float32}
    assert torch.isfinite(made.fit().predict(made.rows(1))).all()


@pytest.mark.slow
def test_mixed_precision_on_the_cpu_trains_as_well(click: Path, encoder: Path) -> None:
    assert Lab(click, encoder, enable_amp=True, bert_form="two_tower").fit().auc() > 0.9


# --- what a score depends on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["cross", "two_tower"])
@pytest.mark.parametrize("family", ["encoder", "decoder"])
def test_scores_do_not_depend_on_the_batch(
    form: str, family: str, click: Path, encoder: Path, tiny_decoder: Path
) -> None:
    made = Lab(click, encoder if family == "encoder" else tiny_decoder, bert_form=form)
    rows = made.rows(2)
    together = made.predict(rows)
    assert len(torch.unique(together)) > 3
    made.model.form.backbone.at_once = 1
    alone = torch.cat([made.predict(rows[row : row + 1]) for row in range(len(rows))])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-6)


def test_an_item_is_read_once_and_scores_are_those_without_what_is_kept(
    tuned: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, read = tuned.rows(0), []
    tuned.model.eval()
    whole = Backbone.forward

    def counted(self: Backbone, inputs: Any) -> torch.Tensor:
        read.append(len(inputs.tokens.lengths))
        return whole(self, inputs)

    monkeypatch.setattr(Backbone, "forward", counted)
    with torch.no_grad():
        first, second = tuned.model.predict(rows), tuned.model.predict(rows)
    assert len(read) == 3  # histories and items; histories
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    torch.testing.assert_close(tuned.model.predict(rows).detach(), first, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        weights = next(part for part in tuned.model.form.backbone.parameters() if part.requires_grad)
        before = weights.clone()
        weights += torch.randn(weights.shape)
        changed = tuned.model.predict(rows)
        weights.copy_(before)
    assert not torch.allclose(changed, first)


def test_a_training_row_s_own_label_changes_nothing_of_its_input(click: Path, encoder: Path) -> None:
    made = Lab(click, encoder)
    train = made.parts[0]._dataset
    row = train.inter_feat[:1]
    others = get_model("XLBERT")(made.settings, train.copy(train.inter_feat[1:]))
    inputs = [
        lab.form.inputs.pairs(row["user_id"].numpy(), row["item_id"].numpy(), False) for lab in (made.model, others)
    ]
    np.testing.assert_array_equal(inputs[0].tokens.values, inputs[1].tokens.values)


# --- what is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_file_holds_adapters_and_head_alone_and_gives_the_scores_again(
    tuning: str, click: Path, encoder: Path, tmp_path: Path
) -> None:
    made = Lab(click, encoder, tuning=tuning, bert_form="two_tower", epochs=1).fit()
    names = set(made.model.state_dict())
    adapters = {name for name in names if re.search(r"\.(lora_\w+|ia3_\w+|ranknum)\.", name)}
    heads = {name for name in names if name.startswith("form.head.")}
    base = names - adapters - heads
    assert len(heads) == 4
    assert bool(adapters) == (tuning in ("lora", "adalora", "ia3"))
    assert bool(base) == (tuning == "full")
    save_model(made.model, tmp_path / "model.safetensors")
    fresh = Lab(click, encoder, tuning=tuning, bert_form="two_tower")
    for tensor in fresh.model.state_dict().values():
        tensor.zero_()
    load_model(fresh.model, tmp_path / "model.safetensors")
    torch.testing.assert_close(fresh.predict(made.rows(2)), made.predict(made.rows(2)), rtol=0, atol=0)


def test_weights_on_another_base_model_are_refused(
    tuned: Lab, click: Path, encoder: Path, tmp_path: Path, small_language_model: Callable[..., Path]
) -> None:
    from transformers import AutoModel, AutoTokenizer

    other = AutoModel.from_pretrained(encoder)
    with torch.no_grad():
        other.embeddings.word_embeddings.weight[5] += 1
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path / "other")
    save_model(tuned.model, tmp_path / "model.safetensors")
    made = Lab(click, tmp_path / "other", tuning="lora", bert_form="two_tower")
    with pytest.raises(DataError, match=r"tuned on the pretrained model \{'sha256'.*Name the one"):
        load_model(made.model, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="another `tuning` or `bert_form`"):
        load_model(Lab(click, encoder, tuning="ia3").model, tmp_path / "model.safetensors")


def test_a_run_by_name_reports_auc_and_logloss_and_keeps_a_small_file(
    click: Path, encoder: Path, tmp_path: Path
) -> None:
    config = {**SMALL, "data_path": str(click), "run_path": str(tmp_path), "encoder": str(encoder)}
    found = run("XLBERT", "click", None, {**config, "tuning": "lora", "bert_form": "two_tower", "epochs": 2})
    assert set(found.metrics["test"]) == {"auc", "logloss"}
    with safe_open(str(found.folder / "model.safetensors"), framework="pt") as stored:
        sizes = [stored.get_tensor(name).numel() for name in stored.keys()]  # noqa: SIM118
    assert sum(sizes) < 3000
    assert "parameters are trained" in (found.folder / "log.txt").read_text(encoding="utf-8")


# --- augmentation ---------------------------------------------------------------------------------------------------


def _words(made: Lab, training: bool) -> set[str]:
    """The texts of items that are read."""
    from transformers import AutoTokenizer

    items = np.arange(1, made.dataset.item_num).repeat(20)
    tokens = made.model.form.inputs.items(items, training).tokens
    tokenizer = AutoTokenizer.from_pretrained(made.settings["encoder"])
    lines = np.split(tokens.values, tokens.starts[1:-1])
    return {tokenizer.decode(line, skip_special_tokens=True) for line in lines}


def test_training_reads_other_versions_of_texts_and_evaluation_does_not(
    click: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words.txt").write_text("sea Meer\n", encoding="utf-8")
    (tmp_path / "my_way.py").write_text("back = lambda texts: [text.replace('Meer', 'mer') for text in texts]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    shares = {"code_switch": 0.3, "code_switch_words": 1.0, "field_dropout": 0.3, "back_translation_share": 0.3}
    sources = {"bilingual_dictionary": str(tmp_path / "words.txt"), "back_translation": "my_way:back"}
    made = Lab(click, encoder, bert_form="two_tower", **shares, **sources)
    plain = {f"{word}. {kind}" for found in LANGUAGES.values() for word in found for kind in ("film", "book")}
    assert _words(made, training=False) == plain
    fields = {"film", "book", *(word for found in LANGUAGES.values() for word in found)}
    assert _words(made, training=True) == plain | fields | {"mer. film", "mer. book"}
    assert torch.isfinite(made.model.train().calculate_loss(made.rows(0)))


def test_one_field_alone_cannot_be_left_out(click: Path, encoder: Path) -> None:
    with pytest.raises(ConfigError, match="field_dropout: the texts have one field only"):
        Lab(click, encoder, field_dropout=0.5, text_template="{title}")


# --- memory ---------------------------------------------------------------------------------------------------------


def test_a_batch_that_is_too_large_is_halved_and_the_step_stays_the_same(
    click: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = Lab(click, encoder, bert_form="two_tower")
    made.model.form.inputs.past.longest = 100  # all of a history, of which training draws nothing
    monkeypatch.setattr(np.random, "random", lambda size: np.zeros(size))
    batch, whole = made.rows(0)[:30], made.model.calculate_loss
    made.model.train()
    whole(batch).backward()
    expected = {name: weights.grad.clone() for name, weights in made.model.named_parameters()}

    def small(interaction: Interaction) -> torch.Tensor:
        if len(interaction) > 8:
            raise torch.OutOfMemoryError("too much")
        return whole(interaction)

    monkeypatch.setattr(made.model, "calculate_loss", small)
    made.trainer.optimizer.zero_grad()
    loss = made.trainer._loss(batch)
    assert [record.getMessage() for record in caplog.records if "memory" in record.getMessage()] == [
        "out of GPU memory: 15 rows at once from now on; a step is still of 30",
        "out of GPU memory: 8 rows at once from now on; a step is still of 30",
    ]
    torch.testing.assert_close(loss.detach(), whole(batch).detach())
    loss.backward()  # as RecBole does
    for name, weights in made.model.named_parameters():
        torch.testing.assert_close(weights.grad, expected[name], rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(made.model, "calculate_loss", lambda _: small(made.rows(0)))
    with pytest.raises(ConfigError, match="too small for one row"):
        made.trainer._loss(batch)


def test_evaluation_reads_less_at_once_where_memory_is_too_small(
    click: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = Lab(click, encoder)
    rows, read = made.rows(0), Backbone._read
    expected = made.predict(rows)

    def small(self: Backbone, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if batch["input_ids"].numel() > limit:
            raise torch.OutOfMemoryError("too much")
        return read(self, batch)

    limit = 300
    monkeypatch.setattr(Backbone, "_read", small)
    torch.testing.assert_close(made.predict(rows), expected, rtol=1e-4, atol=1e-6)
    assert "now 8192 tokens at a time" in caplog.text
    limit = 3
    with pytest.raises(EncoderError, match="too small for one input"):
        made.predict(rows)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"encoder": "ngram"}, ConfigError, "XLBERT trains a language model; name one of the hub"),
        ({"encoder": "nobody/no-such-model"}, EncoderError, "cannot be loaded from the hub.*encoder: /path/to/model"),
        ({"encoder": "/no/such/folder"}, EncoderError, "does not exist"),
        ({"encoder_dtype": "int8"}, ConfigError, "float32 or bfloat16, found 'int8'"),
        ({"encoder_dtype": "bfloat16"}, ConfigError, "tuning: full rounds its steps away"),
        ({"enable_scaler": True}, ConfigError, "needs no scaler"),
        ({"whitening": "zca", "alignment": "x"}, ConfigError, "alignment, whitening: of frozen text vectors"),
        ({"bert_form": "three"}, ConfigError, "bert_form is one of cross, two_tower; found 'three'"),
        ({"tuning": "qlora"}, ConfigError, "tuning is one of full, head, lora, adalora, ia3"),
        ({"word_attack": "hard"}, ConfigError, "word_attack is one of"),
        ({"history_items": 0}, ConfigError, "history_items: a whole number from 1 on, found 0"),
        ({"lora_rank": 2.5}, ConfigError, "lora_rank: a whole number"),
        ({"dropout_prob": 1.0}, ConfigError, "dropout_prob: from 0 on and below 1"),
        ({"warmup_share": 1.5}, ConfigError, "warmup_share: from 0 to 1"),
        ({"layer_decay": 0}, ConfigError, "layer_decay"),
        ({"field_dropout": 0.6, "code_switch": 0.6, "bilingual_dictionary": "x"}, ConfigError, "is 1.2; .* at most 1"),
        ({"code_switch": 0.5}, ConfigError, "code_switch and bilingual_dictionary need each other"),
        ({"back_translation": "a:b"}, ConfigError, "back_translation_share and back_translation need each other"),
        ({"code_switch": 0.5, "bilingual_dictionary": "no.txt"}, DataError, "no.txt does not exist"),
        ({"text_tokens": 62}, ConfigError, "text_tokens: 62 and 4 special tokens are more than the 64"),
        ({"threshold": None}, ConfigError, "needs labels.*'label'.*threshold"),
        ({"tuning": "lora", "adapter_targets": ["nothing"]}, ConfigError, "finds no layer to adapt.*'dense'.*'query'"),
    ],
)
def test_what_cannot_work_is_refused(
    config: dict[str, Any],
    error: type[Exception],
    message: str,
    click: Path,
    encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(error, match=message):
        Lab(click, config.pop("encoder", encoder), **config)


def test_without_peft_the_command_to_type_is_told(click: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"tuning: lora needs peft\. Type: pip install peft"):
        Lab(click, encoder, tuning="lora")


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import importlib.util

    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).parents[1] / "tiny_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_decoder(tmp_path_factory.mktemp("decoder") / "model")
