"""Averaged weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recbole_xlrec import run
from recbole_xlrec.bridge.averaging import WeightAverage
from recbole_xlrec.errors import ConfigError


def test_the_mean_follows_each_step_with_a_decay_that_rises() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    average = WeightAverage(0.5, [weight])
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for _ in range(2):
        average.follow(optimizer)
    expected = 0.0
    for step in (1, 2, 3, 4, 5, 6, 7, 8, 9):
        weight.grad = torch.tensor([-1.0])
        optimizer.step()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    average.show()
    assert weight.item() == pytest.approx(expected)
    average.hide()
    average.hide()
    assert weight.item() == 9.0


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match="weight_average is a decay"):
        WeightAverage(decay, [])


@pytest.mark.parametrize("model", ["BPR", "XLAlphaRec"])
def test_training_goes_on_from_the_weights_as_they_are_and_the_mean_is_kept(
    model: str, toy: Path, toy_config: Path
) -> None:
    def trained(decay: float) -> tuple[list[float], dict[str, torch.Tensor]]:
        keys = {"data_path": "data", "show_progress": False, "epochs": 3, "weight_average": decay, "state": "ERROR"}
        done = run(model, "toy", [toy_config], keys)
        lines = (done.folder / "history.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines], load_file(done.folder / "model.safetensors")

    plain, averaged = trained(0.0), trained(0.9)
    assert averaged[0] == plain[0]
    assert any((averaged[1][name] != tensor).any() for name, tensor in plain[1].items())
