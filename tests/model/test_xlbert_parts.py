"""The parts of XLBERT by hand: inputs, histories, rates of layers, augmentation, adversarial steps, options."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recbole_xlrec.errors import ConfigError, DataError, EncoderError
from recbole_xlrec.model.bert.adversarial import attacked_loss
from recbole_xlrec.model.bert.augment import Variants, code_switched, without_fields
from recbole_xlrec.model.bert.back_translation import back_translated
from recbole_xlrec.model.bert.dictionary import read_dictionary
from recbole_xlrec.model.bert.optimiser import depths, parameter_groups
from recbole_xlrec.model.bert.options import Attack
from recbole_xlrec.model.bert.past import Past
from recbole_xlrec.model.bert.sequences import Specials, Writer, specials
from recbole_xlrec.model.bert.tokens import Ragged, tokenise, warn_of_unread

# --- what is read ---------------------------------------------------------------------------------------------------

TEXTS = [[], [11, 12], [21], [31, 32, 33]]
PAIR = Specials(np.array([1]), np.array([2, 2]), np.array([3]), types=True)


def _write(history: Sequence[Sequence[int]], items: Sequence[int], longest: int = 100) -> list[list[int]]:
    owners = np.repeat(np.arange(len(history)), [len(texts) for texts in history])
    texts = np.array([text for found in history for text in found], dtype=np.int64)
    writer = Writer(Ragged.of(TEXTS, np.int32), PAIR, 9, longest)
    found = writer.write(len(history), (owners, texts), np.array(items))
    assert found.seconds is not None
    lines = np.split(found.tokens.values, found.tokens.starts[1:-1])
    for line, second, item in zip(lines, found.seconds, items, strict=True):
        assert line[second : len(line) - 1].tolist() == TEXTS[item]
    return [line.tolist() for line in lines]


def test_an_input_is_the_history_newest_first_with_joints_and_then_the_item() -> None:
    assert _write([[1, 2], [], [3]], [3, 1, 0]) == [
        [1, 11, 12, 9, 21, 2, 2, 31, 32, 33, 3],
        [1, 2, 2, 11, 12, 3],
        [1, 31, 32, 33, 2, 2, 3],
    ]


def test_what_is_too_long_is_cut_from_the_oldest_of_the_history() -> None:
    assert _write([[1, 3, 2]], [2], longest=10) == [[1, 11, 12, 9, 31, 32, 2, 2, 21, 3]]
    assert _write([[1, 3, 2]], [2], longest=7) == [[1, 11, 12, 2, 2, 21, 3]]
    assert _write([[1, 3, 2]], [2], longest=5) == [[1, 2, 2, 21, 3]]


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=6), st.integers(7, 20), st.data())
def test_inputs_are_those_written_one_by_one(history: list[list[int]], longest: int, data: st.DataObject) -> None:
    items = data.draw(st.lists(st.integers(0, 3), min_size=len(history), max_size=len(history)))
    found = _write(history, items, longest)
    for line, texts, item in zip(found, history, items, strict=True):
        joined: list[int] = []
        for place, text in enumerate(texts):
            joined += [*TEXTS[text], *([9] if place + 1 < len(texts) else [])]
        room = longest - 4 - len(TEXTS[item])
        assert len(line) <= longest
        kept = line[1 : len(line) - 3 - len(TEXTS[item])]
        assert kept == joined[: len(kept)]
        assert len(kept) >= min(len(joined), room) - 1  # a joint that would be the last is left out


def test_padding_is_on_the_right_and_masked() -> None:
    writer = Writer(Ragged.of(TEXTS, np.int32), PAIR, None, 50)
    batch = writer.write(2, None, np.array([1, 3])).padded(np.array([0, 1]), torch.device("cpu"))
    assert batch["input_ids"].tolist() == [[1, 2, 2, 11, 12, 3, 0], [1, 2, 2, 31, 32, 33, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 1, 0], [1] * 7]
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]]


def test_special_tokens_are_those_that_the_tokenizer_sets(small_tokenizer: Any) -> None:
    start, end = small_tokenizer.cls_token_id, small_tokenizer.sep_token_id
    pair, single = specials(small_tokenizer, pair=True), specials(small_tokenizer, pair=False)
    assert [part.tolist() for part in pair[:3]] == [[start], [end, end], [end]]
    assert [part.tolist() for part in single[:3]] == [[start], [], [end]]
    prompted = specials(small_tokenizer, pair=False, prompt="sea").before.tolist()
    assert prompted == [start, *small_tokenizer("sea", add_special_tokens=False)["input_ids"]]


def test_tokens_are_the_tokenizer_s_cut_to_the_longest(small_tokenizer: Any) -> None:
    texts, longest = ["sea war", "", "sea sea sea sea sea"], len(small_tokenizer.tokenize("sea war"))
    found = tokenise(texts, small_tokenizer, longest)
    for row, text in enumerate(texts):
        own = found.tokens.values[found.tokens.starts[row] : found.tokens.starts[row + 1]]
        assert own.tolist() == small_tokenizer(text, add_special_tokens=False)["input_ids"][:longest]
    assert found.cut.tolist() == [False, False, True]


def test_a_script_that_the_vocabulary_lacks_is_warned_of_with_its_share(
    small_tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    found = tokenise(["sea", "海 戦争"], small_tokenizer, 10)
    warn_of_unread(found, {"en": np.array([0]), "ja": np.array([1])}, "small", 10)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "in ja are not in its vocabulary" in warning
    assert "%" in warning


# --- histories ------------------------------------------------------------------------------------------------------


def _past(longest: int) -> Past:
    return Past(Ragged.of([[], [5, 4, 3, 2], [7]]), longest)


def test_a_history_does_without_the_item_of_its_row() -> None:
    users, items = np.array([1, 1, 2, 0]), np.array([4, 9, 7, 7])
    left = _past(2).left_out(users, items, training=False)
    assert left.tolist() == [4, 0, 7, 0]
    owners, found = _past(2).of_rows(users, left)
    assert list(zip(owners.tolist(), found.tolist(), strict=True)) == [(0, 5), (0, 3), (1, 5), (1, 4)]


def test_histories_are_of_liked_items_once_each_the_newest_first() -> None:
    rows = [(1, 4, 1, 3), (1, 5, 1, 9), (1, 6, 0, 8), (1, 4, 1, 5), (3, 2, 1, 1), (1, 7, 1, 4)]
    columns = dict(zip(("user", "item", "label", "time"), map(torch.tensor, zip(*rows, strict=True)), strict=True))
    events = type("Events", (), {"columns": list(columns), "__getitem__": lambda _, name: columns[name]})()
    fields = {"uid_field": "user", "iid_field": "item", "label_field": "label", "time_field": "time"}
    found = Past.of(SimpleNamespace(query_events=events, user_num=4, item_num=8, **fields), 5).histories
    assert [line.tolist() for line in np.split(found.values, found.starts[1:-1])] == [[], [5, 4, 7], [], [2]]


@pytest.mark.parametrize("longest", [2, 10])
def test_the_length_of_a_history_in_training_does_not_tell_which_rows_are_positive(longest: int) -> None:
    users = np.array([1, 1, 2, 2] * 50)
    items = np.array([4, 9, 7, 9] * 50)  # liked, not liked, liked, not liked
    left = _past(longest).left_out(users, items, training=True)
    sizes = np.bincount(_past(longest).of_rows(users, left)[0], minlength=len(users)).reshape(-1, 2)
    assert (sizes[:, 0] == sizes[:, 1]).all()
    assert set(left[1::4]) == set([5, 4, 3, 2][: longest + 1])


# --- rates ----------------------------------------------------------------------------------------------------------

NAMES = [
    "net.embeddings.word_embeddings.weight",
    "net.encoder.layer.0.attention.query.weight",
    "net.encoder.layer.0.attention.query.bias",
    "net.encoder.layer.1.output.dense.weight",
    "net.norm.weight",
    "head.weight",
]


def test_layers_are_counted_from_the_head_down() -> None:
    assert list(depths(NAMES, "net.").values()) == [3, 2, 2, 1, 0, 0]
    decoder = ["net.embed_tokens.weight", "net.layers.0.mlp.weight", "net.layers.11.mlp.weight"]
    assert list(depths(decoder, "net.").values()) == [13, 12, 1]


def test_each_layer_learns_at_a_share_of_the_rate_of_the_layer_above(small_model: Any) -> None:
    model = nn.ModuleDict({"net": small_model, "head": nn.Linear(16, 1)})
    groups = parameter_groups(model, "net.", 0.1, 0.5, 0.01)
    rates = {id(weights): (group["lr"], group["weight_decay"]) for group in groups for weights in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert rates[id(model["head"].weight)] == (0.1, 0.01)
    assert rates[id(model["head"].bias)] == (0.1, 0.0)
    assert rates[id(small_model.encoder.layer[0].output.dense.weight)] == (0.05, 0.01)
    assert rates[id(small_model.encoder.layer[0].output.LayerNorm.weight)] == (0.05, 0.0)
    assert rates[id(small_model.embeddings.word_embeddings.weight)] == (0.025, 0.01)


def test_layers_without_numbers_cannot_decay() -> None:
    with pytest.raises(ConfigError, match="layer_decay"):
        depths(["net.linear.weight"], "net.")


# --- augmentation ---------------------------------------------------------------------------------------------------


def test_each_field_of_a_template_is_left_out_once() -> None:
    fewer = without_fields("{title} ({year}). {genres}")
    assert fewer == ["({year}). {genres}", "{title}. {genres}", "{title} ({year})"]
    assert without_fields("{{{title}}} {genres}") == ["{genres}", "{{{title}}}"]
    assert without_fields("{title}") == []


def test_words_are_replaced_by_their_translations_and_nothing_else() -> None:
    words = {"cat": ["Katze"], "black": ["schwarz", "dunkel"]}
    assert code_switched(["Black cat, dog!", ""], {"cat": ["Katze"]}, 1.0, 2, 0) == [
        ["Black Katze, dog!"] * 2,
        [""] * 2,
    ]
    (found,) = code_switched(["black cat"], words, 1.0, 50, 0)
    assert set(found) == {"schwarz Katze", "dunkel Katze"}
    (found,) = code_switched(["black cat"], {"cat": ["Katze"]}, 0.3, 1000, 0)
    assert found.count("black Katze") / 1000 == pytest.approx(0.3, abs=0.05)


def test_versions_are_drawn_at_their_share_and_a_text_without_one_stays() -> None:
    variants = Variants.of(1.0, ["", "a", "b"], [[""], ["x", "y", "a", "x"], ["b"]])
    assert variants.versions == [[], ["x", "y"], []]
    numbers = {"x": 10, "y": 11}
    choice = variants.numbered(lambda texts: np.array([numbers[text] for text in texts], dtype=np.int64))
    drawn = choice.draw(np.array([1] * 100 + [2]), np.array([1] * 100 + [2]))
    assert set(drawn[:100]) == {10, 11}
    assert drawn[100] == 2


def test_a_dictionary_has_tabs_or_blanks(tmp_path: Path) -> None:
    path = tmp_path / "en-de.txt"
    path.write_text("Cat Katze\ncat\tKater\n\nice cream\tEis\ncat  Katze\n", encoding="utf-8")
    assert read_dictionary(str(path)) == {"cat": ["Katze", "Kater"], "ice cream": ["Eis"]}
    other = tmp_path / "en-fr.txt"
    other.write_text("cat chat\n", encoding="utf-8")
    assert read_dictionary([str(path), str(other)])["cat"] == ["Katze", "Kater", "chat"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat Katze\ndog\na b c\n\n", "2 of 4 lines .* line 2: 'dog'; line 3: 'a b c'"),
        (b"cat\t\n", r"1 of 1 lines .* line 1: 'cat\\t'"),
        (b"\n", "has no line"),
        (b"cat K\xe4tzchen\n", "not UTF-8"),
    ],
)
def test_broken_lines_of_a_dictionary_are_told_by_number(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_dictionary(str(path))


@pytest.fixture
def translators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_translators.py").write_text(
        "turn = lambda texts: [text[::-1] for text in texts]\nfew = lambda texts: texts[1:]\n"
        "numbers = lambda texts: [len(text) for text in texts]\none = lambda texts: 'a'\nnothing = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_translators", raising=False)


@pytest.mark.usefixtures("translators")
def test_a_function_of_the_user_s_translates_there_and_back() -> None:
    assert back_translated(["ab", "cd"], "my_translators:turn") == ["ba", "dc"]


@pytest.mark.usefixtures("translators")
@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("my_translators:few", DataError, "1 texts for 2"),
        ("my_translators:numbers", DataError, "2 of 2 are not texts: 2, 2"),
        ("my_translators:one", DataError, "a str for 2"),
        ("my_translators:nothing", ConfigError, "is no function but a int"),
        ("my_translators:lost", ConfigError, "lost.*PYTHONPATH"),
        ("no_such_module:turn", ConfigError, "No module named 'no_such_module'"),
        ("no/such/folder", ConfigError, "neither a folder nor a function"),
    ],
)
def test_a_translator_that_is_none_is_refused(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        back_translated(["ab", "cd"], source)


def test_a_local_seq2seq_model_translates_each_text(small_tokenizer: Any, tmp_path: Path) -> None:
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
    tokens = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    model = BartForConditionalGeneration(BartConfig(vocab_size=len(small_tokenizer), **sizes, **heads, **tokens))
    model.save_pretrained(tmp_path)
    small_tokenizer.save_pretrained(tmp_path)
    texts = ["sea war", "sea"]
    found = back_translated(texts, str(tmp_path))
    assert len(found) == 2
    assert all(isinstance(text, str) for text in found)
    assert back_translated(texts, [str(tmp_path)] * 2) == back_translated(found, str(tmp_path))
    (tmp_path / "config.json").unlink()
    with pytest.raises(EncoderError, match="no seq2seq model"):
        back_translated(texts, str(tmp_path))


# --- adversarial steps ----------------------------------------------------------------------------------------------


class Linear(NamedTuple):
    """A loss that is linear in the words: the worst step of any length is known."""

    words: nn.Embedding
    weights: torch.Tensor

    def loss(self) -> torch.Tensor:
        """A scalar."""
        return (self.words(torch.tensor([[1, 2]])) * self.weights).sum()


@pytest.mark.parametrize("kind", ["fgm", "pgd"])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_attack_raises_a_linear_loss_by_its_length_times_the_slope(kind: str, frozen: bool) -> None:
    torch.manual_seed(0)
    words = nn.Embedding(3, 4).requires_grad_(not frozen)
    weights = torch.randn(1, 2, 4, requires_grad=True)
    lab = Linear(words, weights)
    clean = lab.loss()
    total = attacked_loss(lab.loss, words, Attack(kind, 0.1, 3))
    length = 0.1 * words.weight[1:].norm()
    assert total.item() == pytest.approx((2 * clean + length * weights.norm()).item(), rel=1e-5)
    assert attacked_loss(lab.loss, words, Attack("none", 0.1, 3)).item() == pytest.approx(clean.item())
    total.backward()
    assert weights.grad is not None
    assert frozen == (words.weight.grad is None)
    assert not words._forward_hooks


def test_pgd_finds_a_worse_case_than_fgm_where_the_loss_is_curved() -> None:
    torch.manual_seed(1)
    words, net = nn.Embedding(3, 4), nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))

    def loss() -> torch.Tensor:
        return net(words(torch.tensor([[1, 2]])).flatten(1)).sum() ** 2

    worst = {kind: attacked_loss(loss, words, Attack(kind, 1.0, 10)).item() for kind in ("fgm", "pgd")}
    assert worst["pgd"] > worst["fgm"] > loss().item()
    assert math.isfinite(worst["pgd"])


# --- fixtures -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_folder(small_language_model: Callable[..., Path]) -> Path:
    return small_language_model(["sea war", "war and sea", "cat and dog"])


@pytest.fixture
def small_tokenizer(small_folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(small_folder)


@pytest.fixture
def small_model(small_folder: Path) -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(small_folder)
