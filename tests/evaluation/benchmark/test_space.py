"""RecBole's `hyper.test` syntax."""

from __future__ import annotations

import math

import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.benchmark.space import Choice, Interval, grid_size, listing, parse_space


def test_recboles_own_lines_are_read() -> None:
    lines = (
        "learning_rate loguniform -8,0",
        "embedding_size choice [64,96 , 128]",
        "",
        "# a remark",
        "train_batch_size choice [512]",
        "mlp_hidden_size choice ['[64, 64, 64]', '[128, 128]']",
        "dropout uniform 0.1, 0.5",
        "n_layers quniform 1,4,1",
    )
    space = parse_space("\n".join(lines), "hyper.test")
    assert list(space) == [
        *("learning_rate", "embedding_size", "train_batch_size", "mlp_hidden_size", "dropout", "n_layers")
    ]
    assert space["learning_rate"] == Interval(pytest.approx(math.exp(-8)), 1.0, log=True)
    assert space["embedding_size"] == Choice((64, 96, 128))
    assert space["mlp_hidden_size"] == Choice(("[64, 64, 64]", "[128, 128]"))
    assert space["dropout"] == Interval(0.1, 0.5)
    assert listing(space["n_layers"]) == (1, 2, 3, 4)
    assert all(isinstance(value, int) for value in listing(space["n_layers"]) or ())


@pytest.mark.parametrize(
    ("text", "values"), [("quniform 0.1,0.5,0.2", (0.1, 0.3, 0.5)), ("quniform 10,45,10", (10, 20, 30, 40))]
)
def test_steps_begin_at_the_first_value_and_end_before_the_last(text: str, values: tuple[float, ...]) -> None:
    assert listing(parse_space(f"k {text}", "x")["k"]) == pytest.approx(values)


def test_a_grid_is_counted_and_an_interval_has_no_end() -> None:
    assert grid_size(parse_space("a choice [1, 2]\nb quniform 1,3,1", "x")) == 6
    assert grid_size(parse_space("a choice [1, 2]\nb uniform 1,3", "x")) == math.inf


@pytest.mark.parametrize(
    "line",
    [
        *("a choice", "a choice 1", "a choice []", "a uniform 1", "a uniform 2,1", "a uniform 1,x", "a uniform 1,2,3"),
        *("a quniform 1,2", "a quniform 1,2,0", "a loguniform 0,-8", "a normal 0,1", "", "a choice [1]\na choice [2]"),
    ],
)
def test_a_line_that_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^hyper\.test"):
        parse_space(line, "hyper.test")
