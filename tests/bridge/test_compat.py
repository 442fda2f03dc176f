from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import recbole.config
import scipy.sparse as sp
import torch
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.trainer import trainer

from recbole_xlrec.bridge import compat
from recbole_xlrec.errors import DataError

QUICK_START = "recbole.quick_start"


def test_once_applied_no_shim_is_needed_any_more() -> None:
    assert [shim.what for shim in compat.SHIMS if shim.needed()] == []


def test_each_shim_reports_what_it_is_and_why_and_once() -> None:
    first = compat.apply()
    assert [report.what for report in first] == [shim.what for shim in compat.SHIMS]
    assert all(report.why for report in first)
    assert compat.apply() == first
    assert sum(finder is compat._QuickStartFinder for finder in sys.meta_path) == 1


def test_a_shim_that_is_not_needed_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    shims = [
        compat.Shim("old stack", "x", lambda: True, lambda: done.append("old")),
        compat.Shim("new stack", "y", lambda: False, lambda: done.append("new")),
    ]
    monkeypatch.setattr(compat, "SHIMS", tuple(shims))
    monkeypatch.setattr(compat, "_reports", [])
    assert [report.applied for report in compat.apply()] == [True, False]
    compat.apply()
    assert done == ["old"]


# --- NumPy and SciPy ------------------------------------------------------------------------------------------------


def test_numpys_old_names_are_back_and_recboles_config_can_be_made() -> None:
    assert (np.float_, np.complex_, np.unicode_, np.bool8) == (np.float64, np.complex128, np.str_, np.bool_)
    recbole.config.Config.compatibility_settings(None)


def test_only_the_names_that_numpy_lacks_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    shim = compat.SHIMS[0]
    monkeypatch.setattr(np, "float_", np.float32)
    monkeypatch.delattr(np, "bool8")
    assert shim.needed()
    shim.apply()
    assert np.float_ is np.float32
    assert np.bool8 is np.bool_
    monkeypatch.setattr(np, "bool8", np.bool_)


def test_a_dok_matrix_can_be_filled_as_recboles_graph_models_do() -> None:
    matrix = sp.dok_matrix((3, 3), dtype=np.float32)
    matrix._update({(0, 1): 1, (2, 0): 1})
    expected = np.zeros((3, 3), dtype=np.float32)
    expected[0, 1] = expected[2, 0] = 1
    assert np.array_equal(matrix.toarray(), expected)
    assert matrix.nnz == 2
    assert np.array_equal(matrix.tocsr().toarray(), expected)


def test_scipys_own_update_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shim = compat.SHIMS[1]
    monkeypatch.delattr(sp.dok_matrix, "_update")
    assert shim.needed()
    monkeypatch.setattr(sp.dok_matrix, "_update", dict.update, raising=False)
    assert not shim.needed()


# --- checkpoints ----------------------------------------------------------------------------------------------------


def test_recboles_trainer_sees_all_of_torch_but_writes_no_code(tmp_path: Path) -> None:
    assert trainer.torch.optim is torch.optim
    assert trainer.torch.save is not torch.save
    state = {"config": recbole.config.Config(model="BPR", dataset="ml-100k"), "state_dict": {"w": torch.ones(2)}}
    trainer.torch.save(state, tmp_path / "a.pth", pickle_protocol=4)
    for found in (torch.load(tmp_path / "a.pth", weights_only=True), trainer.torch.load(tmp_path / "a.pth")):
        assert found["config"]["model"] == "BPR"
        assert torch.equal(found["state_dict"]["w"], torch.ones(2))
    torch.save({"state_dict": {}, "x": AbstractRecommender}, tmp_path / "code.pth")
    with pytest.raises(DataError, match="is refused"):
        trainer.torch.load(tmp_path / "code.pth", map_location="cpu")


def test_a_trainer_that_has_another_torch_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shim = compat.SHIMS[2]
    assert not shim.needed()
    monkeypatch.setattr(trainer, "torch", torch)
    assert shim.needed()


def test_a_models_other_parameters_are_plain_outside_and_themselves_inside() -> None:
    model = AbstractRecommender()
    assert model.other_parameter() == {}
    model.load_other_parameter(None)
    model.load_other_parameter({})
    model.matrix, model.layer = sp.csr_matrix(np.eye(2)), torch.nn.Linear(1, 1)
    model.other_parameter_name = ["matrix", "layer"]
    plain, layer = model.other_parameter(), model.layer
    assert not any(sp.issparse(value) or isinstance(value, torch.nn.Module) for value in plain.values())
    model.matrix = None
    model.load_other_parameter(plain)
    assert np.array_equal(model.matrix.toarray(), np.eye(2))
    assert model.layer is layer


# --- ray ------------------------------------------------------------------------------------------------------------


class _NoRay:
    """Hides an installed ray."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _import_quick_start(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in [name for name in sys.modules if name.startswith(QUICK_START)]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    importlib.import_module(QUICK_START)
    return sys.modules[f"{QUICK_START}.quick_start"]


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_NoRay, *sys.meta_path])
    yield
    for name in [name for name in sys.modules if name.startswith(QUICK_START)]:
        del sys.modules[name]


def _fake_ray(folder: Path, tune: str) -> None:
    folder.joinpath("ray").mkdir()
    folder.joinpath("ray", "__init__.py").write_text("real = True\n")
    folder.joinpath("ray", "tune.py").write_text(tune)


def test_quick_start_runs_in_a_fresh_python_without_ray() -> None:
    code = """
        import sys
        class NoRay:
            def find_spec(name, path=None, target=None):
                if name.partition(".")[0] == "ray":
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, NoRay)
        import recbole_xlrec.bridge
        from recbole.quick_start import objective_function, run_recbole
        assert "ray" not in sys.modules and "ray.tune" not in sys.modules
        print(run_recbole.__name__)
    """
    lines = [line[8:] for line in code.splitlines()]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.stdout == "run_recbole\n", done.stderr


@pytest.mark.usefixtures("without_ray")
def test_using_ray_where_it_is_absent_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _import_quick_start(monkeypatch)
    assert not [name for name in sys.modules if name.partition(".")[0] == "ray"]
    with pytest.raises(ImportError, match=r'pip install "setuptools<81" "ray\[tune\]<=2\.6\.3"'):
        module.tune.run(None)
    with pytest.raises(ImportError):
        import ray  # noqa: F401


@pytest.mark.usefixtures("without_ray")
def test_a_ray_that_can_be_imported_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if finder is not _NoRay])
    monkeypatch.syspath_prepend(str(tmp_path))
    _fake_ray(tmp_path, "def report(**values): return values\n")
    module = _import_quick_start(monkeypatch)
    assert module.tune.report(score=1) == {"score": 1}
    assert module.tune is sys.modules["ray.tune"]
    for name in ("ray", "ray.tune"):
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("without_ray")
def test_a_ray_that_breaks_on_import_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if finder is not _NoRay])
    monkeypatch.syspath_prepend(str(tmp_path))
    _fake_ray(tmp_path, "raise AttributeError('np.bool8')\n")
    import ray

    module = _import_quick_start(monkeypatch)
    with pytest.raises(ImportError, match=r"AttributeError: np\.bool8.*pip install"):
        module.tune.run(None)
    assert sys.modules["ray"] is ray
    assert ray.real
    monkeypatch.delitem(sys.modules, "ray")


def test_autograd_is_not_slowed_down_by_the_import_of_recboles_models() -> None:
    lines = [
        "import recbole_xlrec.bridge, torch",
        "from recbole.utils import get_model",
        "get_model('SINE')",
        "assert not torch.is_anomaly_enabled()",
    ]
    subprocess.run([sys.executable, "-W", "ignore", "-c", "\n".join(lines)], check=True)


def test_other_modules_are_none_of_the_finders_business() -> None:
    assert compat._QuickStartFinder.find_spec("json") is None
    assert compat._QuickStartFinder.find_spec("recbole.quick_start") is None
