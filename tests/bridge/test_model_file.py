from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from recbole.model.abstract_recommender import AbstractRecommender
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from recbole_xlrec.bridge.model_file import load_model, save_model
from recbole_xlrec.errors import DataError


class _Model(AbstractRecommender):
    """What RecBole's models keep beside their weights: matrices, arrays, modules, nested containers."""

    def __init__(self, seed: int, width: int = 3) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Linear(2, width)
        self.tied = self.layer.weight
        self.extra = nn.Embedding(4, width)
        random = np.random.default_rng(seed)
        self.matrix = sp.random(4, 5, 0.5, "csr", rng=random)
        self.counts = torch.from_numpy(random.integers(9, size=(4, 1)))
        self.largest = int(self.counts.max())
        self.named = {(seed, "a"): [1.5, float("nan")], seed: ("x", None, {"deep": random.random(2)})}
        self.names = np.array(["é", "", f"{seed}"])
        self.other_parameter_name = ["matrix", "counts", "largest", "named", "names", "extra", "nothing"]
        self.nothing = None


def _assert_alike(found: _Model, wanted: _Model) -> None:
    for name, value in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    assert isinstance(found.matrix, sp.csr_matrix)
    assert np.array_equal(found.matrix.toarray(), wanted.matrix.toarray())
    assert torch.equal(found.counts, wanted.counts)
    assert found.largest == wanted.largest
    assert found.names.tolist() == wanted.names.tolist()
    assert found.nothing is None
    assert isinstance(found.extra, nn.Embedding)
    assert list(found.named) == list(wanted.named)
    (seed,) = [key for key in wanted.named if isinstance(key, int)]
    assert found.named[seed][:2] == ("x", None)
    assert np.array_equal(found.named[seed][2]["deep"], wanted.named[seed][2]["deep"])
    assert found.named[(seed, "a")][0] == 1.5
    assert np.isnan(found.named[(seed, "a")][1])


def test_a_model_comes_back_with_its_other_parameters(tmp_path: Path) -> None:
    wanted, found = _Model(1), _Model(2)
    save_model(wanted, tmp_path / "model.safetensors")
    load_model(found, tmp_path / "model.safetensors")
    _assert_alike(found, wanted)
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_the_file_is_safetensors_that_any_tool_reads(tmp_path: Path) -> None:
    save_model(_Model(1), tmp_path / "model.safetensors")
    with safe_open(str(tmp_path / "model.safetensors"), framework="np") as stored:
        names = stored.keys()
        assert any(np.array_equal(stored.get_tensor(name), _Model(1).layer.weight.detach()) for name in names)


def test_a_file_of_another_shape_does_not_fit_and_changes_nothing_else(tmp_path: Path) -> None:
    save_model(_Model(1), tmp_path / "model.safetensors")
    other = _Model(2, width=7)
    matrix = other.matrix
    with pytest.raises(DataError, match=r"(?s)model\.safetensors does not fit this model: .*size mismatch"):
        load_model(other, tmp_path / "model.safetensors")
    assert other.matrix is matrix


def test_what_is_no_model_file_is_named(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    save_model(_Model(1), whole)
    content = whole.read_bytes()
    for length in (0, 7, 100, len(content) // 2, len(content) - 1):
        broken.write_bytes(content[:length])
        with pytest.raises(DataError, match="broken cannot be read as a model"):
            load_model(_Model(1), broken)
    with pytest.raises(DataError, match="nowhere cannot be read as a model"):
        load_model(_Model(1), tmp_path / "nowhere")
    for metadata in (None, {"other": "1"}, {"tree": "{"}, {"tree": "{}"}, {"tree": "[1, 2]"}, {"tree": '{"dict": 3}'}):
        save_file({"w": torch.ones(1)}, broken, metadata=metadata)
        with pytest.raises(DataError, match="broken cannot be read as a model"):
            load_model(_Model(1), broken)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(_Model(1), path)
    old = path.read_bytes()

    def full(_: Any, target: Path, **__: Any) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("recbole_xlrec.bridge.model_file.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(_Model(2), path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["model.safetensors"]
