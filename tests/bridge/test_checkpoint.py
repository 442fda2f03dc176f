from __future__ import annotations

import contextlib
import io
import os
import pickle
from enum import Enum, IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from recbole.config import Config
from torch import nn

from recbole_xlrec.bridge.checkpoint import config_values, from_plain, load_checkpoint, save_checkpoint, to_plain
from recbole_xlrec.errors import DataError

pytestmark = [
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning"),  # of torch, on what is then refused
]


def _through_a_file(value: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(to_plain(value), buffer)
    buffer.seek(0)
    return from_plain(torch.load(buffer, weights_only=True))


def _same(left: Any, right: Any) -> bool:
    """Equal in type, shape and every value; NaN equals NaN."""
    if type(left) is not type(right):
        return False
    if sp.issparse(left):
        return left.dtype == right.dtype and left.shape == right.shape and _same(left.toarray(), right.toarray())
    if isinstance(left, dict):
        return list(left) == list(right) and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, np.ndarray):
        alike = left.dtype == right.dtype and left.shape == right.shape
        if alike and left.dtype == object:
            return all(map(_same, left.ravel().tolist(), right.ravel().tolist()))
        return alike and left.tobytes() == right.tobytes()
    if isinstance(left, torch.Tensor):
        return _same(left.numpy(), right.numpy())
    return bool(left == right or (left != left and right != right))


def _dtypes() -> st.SearchStrategy[np.dtype]:
    return st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(),
        hnp.unsigned_integer_dtypes(),
        hnp.floating_dtypes(),
        hnp.complex_number_dtypes(),
        hnp.unicode_string_dtypes(),
        hnp.byte_string_dtypes(),
        hnp.datetime64_dtypes(),
        hnp.timedelta64_dtypes(),
    )


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_ARRAYS = hnp.arrays(_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
_FORMATS = ("csr", "csc", "coo", "lil", "dok")


@st.composite
def _sparse(draw: st.DrawFn) -> Any:
    dtype = draw(st.sampled_from([np.bool_, np.int8, np.int32, np.int64, np.float32, np.float64, np.complex64]))
    dense = draw(
        hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=st.sampled_from([0, 1]))
    )
    build = draw(st.sampled_from([sp.coo_array, sp.coo_matrix]))
    return build(dense).asformat(draw(st.sampled_from(_FORMATS)))


@st.composite
def _matrices(draw: st.DrawFn) -> np.matrix:
    return np.asmatrix(draw(hnp.arrays(_dtypes(), hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=3))))


def _objects(entries: st.SearchStrategy[Any]) -> st.SearchStrategy[np.ndarray]:
    def build(values: list[Any]) -> np.ndarray:
        array = np.empty(len(values), dtype=object)
        for place, value in enumerate(values):
            array[place] = value
        return array

    return st.lists(entries, max_size=3).map(build)


_KEYS = st.text(max_size=3) | st.integers() | st.tuples(st.integers(), st.text(max_size=2))
_SETS = st.sets(_SCALARS.filter(lambda value: value == value), max_size=3)
_LEAVES = _SCALARS | _ARRAYS | _sparse() | _matrices() | _SETS | _SETS.map(frozenset)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_KEYS, inner, max_size=3)
        | _objects(inner)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(_VALUES)
def test_every_nesting_of_values_comes_back_as_it_was(value: Any) -> None:
    assert _same(_through_a_file(value), value)


@settings(max_examples=50, deadline=None)
@given(_VALUES)
def test_what_is_plain_already_stays_as_it_is(value: Any) -> None:
    plain = to_plain(value)
    assert _same(to_plain(plain), plain)


@pytest.mark.parametrize(
    "value",
    [
        np.float32(1.5),
        np.float64(-2.5),
        np.int64(-3),
        np.uint8(255),
        np.bool_(True),
        np.str_("é"),
        np.float16(0.5),
    ],
)
def test_a_numpy_scalar_comes_back_as_pythons_own(value: np.generic) -> None:
    assert _same(
        _through_a_file({"value": value, value: [value]}), {"value": value.item(), value.item(): [value.item()]}
    )


def test_arrays_of_unusual_layout_come_back_with_their_values() -> None:
    grid = np.arange(12).reshape(3, 4)
    for array in (grid[::-1, ::-2], grid.T, np.asfortranarray(grid), grid.astype(">i4"), np.longdouble([1, 2])):
        assert np.array_equal(_through_a_file(array), array)
    frozen = grid.copy()
    frozen.flags.writeable = False
    assert np.array_equal(_through_a_file(frozen), grid)


def test_equally_long_lists_in_an_object_array_stay_lists() -> None:
    pairs = np.empty(2, dtype=object)
    pairs[0], pairs[1] = [1, 2], [3, 4]
    assert _same(_through_a_file(pairs), pairs)
    array = np.empty((2, 2), dtype=object)
    array[0, 0], array[0, 1], array[1, 0], array[1, 1] = [1, 2], [3, 4], (5,), np.ones(2)
    assert _same(_through_a_file(array), array)


@pytest.mark.parametrize(
    "build", [sp.csr_matrix, sp.csc_array, sp.lil_matrix, sp.dok_array, sp.coo_array, sp.dok_matrix]
)
def test_a_sparse_matrix_keeps_its_class_and_one_without_entries_its_shape(build: Any) -> None:
    found = _through_a_file(build((3, 0), dtype=np.float32))
    assert type(found) is build
    assert (found.shape, found.dtype) == ((3, 0), np.float32)
    assert np.array_equal(_through_a_file(build(np.eye(3))).toarray(), np.eye(3))


def test_sparse_arrays_of_one_dimension_come_back() -> None:
    array = sp.coo_array(np.array([0, 2, 0, 3]))
    assert _same(_through_a_file(array), array)


def test_a_module_is_restored_into_the_one_that_is_there() -> None:
    torch.manual_seed(0)
    saved, there = nn.Linear(2, 3), nn.Linear(2, 3)
    buffer = io.BytesIO()
    torch.save(to_plain({"layer": saved}), buffer)
    buffer.seek(0)
    found = from_plain(torch.load(buffer, weights_only=True), {"layer": there})
    assert found["layer"] is there
    assert torch.equal(there.weight, saved.weight)
    with pytest.raises(DataError, match="a module that this model does not have"):
        from_plain(to_plain(saved))


class _Colour(Enum):
    RED = 1


class _Level(IntEnum):
    HIGH = 7


def test_enums_paths_and_devices_become_their_names() -> None:
    assert to_plain([_Colour.RED, _Level.HIGH, Path("a/b"), torch.device("cpu")]) == ["RED", "HIGH", "a/b", "cpu"]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        np.zeros(2, dtype=[("a", int), ("b", float)]),
        np.array([object()]),
        np.datetime64("2020-01-01"),
        np.longdouble(1),
    ],
)
def test_what_only_code_could_restore_is_refused_when_written(value: Any) -> None:
    with pytest.raises(DataError, match=r"tensors and plain values only; .* cannot be written"):
        to_plain({"deep": [value]})


def test_a_configuration_becomes_plain_and_in_the_same_order_every_time() -> None:
    values = {
        "device": torch.device("cpu"),
        "type": _Colour.RED,
        "nested": {1: (np.float32(0.5), None)},
        "set": {"b", "a", 3, "c"},
        "count": np.int64(3),
    }
    assert config_values(values) == {
        "device": "cpu",
        "type": "RED",
        "nested": {"1": [0.5, None]},
        "set": [3, "a", "b", "c"],
        "count": 3,
    }


# --- files ----------------------------------------------------------------------------------------------------------


def _state(**more: Any) -> dict[str, Any]:
    config = SimpleNamespace(final_config_dict={"seed": 1, "device": torch.device("cpu")})
    return {"config": config, "epoch": 3, "state_dict": {"w": torch.arange(3.0)}, **more}


def test_a_checkpoint_comes_back_and_the_state_is_not_changed(tmp_path: Path) -> None:
    state = _state(other_parameter={"matrix": sp.csr_matrix(np.eye(2))})
    save_checkpoint(state, tmp_path / "a.pth")
    assert sorted(state) == ["config", "epoch", "other_parameter", "state_dict"]
    found = load_checkpoint(tmp_path / "a.pth")
    assert found["config"] == {"seed": 1, "device": "cpu"}
    assert torch.equal(found["state_dict"]["w"], torch.arange(3.0))
    assert np.array_equal(from_plain(found["other_parameter"])["matrix"].toarray(), np.eye(2))
    assert os.listdir(tmp_path) == ["a.pth"]


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_that_holds_code_is_refused_and_the_code_never_runs(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "x": _Trap(tmp_path / "made")}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match=r"evil\.pth is refused: .*code from somebody else.*Train again"):
        load_checkpoint(tmp_path / "evil.pth")
    assert not (tmp_path / "made").exists()
    torch.load(tmp_path / "evil.pth", weights_only=False)
    assert (tmp_path / "made").exists(), "the trap itself works"


def test_a_bare_pickle_that_holds_code_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": _Trap(tmp_path / "made")}))
    with pytest.raises(DataError, match=r"evil\.pth is refused"):
        load_checkpoint(tmp_path / "evil.pth")
    assert not (tmp_path / "made").exists()


def test_a_checkpoint_of_stock_recbole_is_refused_with_what_to_do(tmp_path: Path) -> None:
    state = {"config": Config(model="BPR", dataset="ml-100k"), "state_dict": {}, "other_parameter": {}}
    torch.save(state, tmp_path / "stock.pth", pickle_protocol=4)
    with pytest.raises(DataError, match=r"stock\.pth is refused: .*stock RecBole.*Train again with this package"):
        load_checkpoint(tmp_path / "stock.pth")


def test_a_checkpoint_cut_short_or_damaged_anywhere_is_a_clear_error(tmp_path: Path) -> None:
    save_checkpoint(_state(names=np.array(["a", "b"])), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    broken = tmp_path / "broken.pth"
    for length in range(0, len(whole), 97):
        broken.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"broken\.pth"):
            load_checkpoint(broken)
    random = np.random.default_rng(0)
    for place in random.integers(len(whole), size=100):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        broken.write_bytes(damaged)
        with contextlib.suppress(DataError):  # or it is harmless; anything else fails
            load_checkpoint(broken)


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no checkpoint at .*nowhere\.pth"):
        load_checkpoint(tmp_path / "nowhere.pth")
    with pytest.raises(DataError, match="cannot be read as a checkpoint"):
        load_checkpoint(tmp_path)
    for name, value in (("list", [1]), ("dict", {"model": 1})):
        torch.save(value, tmp_path / name)
        with pytest.raises(DataError, match="is no RecBole checkpoint: it has no 'state_dict'"):
            load_checkpoint(tmp_path / name)


def test_a_write_that_fails_leaves_the_old_checkpoint_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pth"
    save_checkpoint(_state(), path)
    old = path.read_bytes()
    with pytest.raises(DataError, match="cannot be written"):
        save_checkpoint(_state(odd=object()), path)

    def full(_: Any, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(_state(), path)
    assert os.listdir(tmp_path) == ["a.pth"]
    assert path.read_bytes() == old
