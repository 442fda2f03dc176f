"""What RecBole 1.2.1 needs on today's NumPy, SciPy and PyTorch: each entry a no-op where it is not needed.

Applied by importing ``recbole_xlrec.bridge``; nothing of RecBole's on disk is changed.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from recbole_xlrec.bridge.checkpoint import from_plain, load_checkpoint, save_checkpoint, to_plain

_INSTALL_RAY = 'pip install "setuptools<81" "ray[tune]<=2.6.3"  (ray <= 2.6.3 has wheels up to Python 3.11)'


class Shim(NamedTuple):
    """One incompatibility and its answer."""

    what: str
    why: str
    needed: Callable[[], bool]
    apply: Callable[[], None]


class PatchReport(NamedTuple):
    """What became of one shim, for ``recbole-xlrec doctor``."""

    what: str
    why: str
    applied: bool


_SINE = "recbole.model.sequential_recommender.sine"
_NUMPY_ALIASES = {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "bool8": np.bool_}
_reports: list[PatchReport] = []


def _missing_aliases() -> dict[str, type]:
    return {name: kind for name, kind in _NUMPY_ALIASES.items() if name not in vars(np)}


def _restore_numpy_aliases() -> None:
    for name, kind in _missing_aliases().items():
        setattr(np, name, kind)


def _dok_update(self: Any, entries: Mapping[tuple[int, int], float]) -> None:
    # Up to SciPy 1.12 the dictionary was filled without a check of each key; `_dict` is where it lives since.
    self._dict.update(entries)


def _plain_checkpoints() -> None:
    import torch
    from recbole.model.abstract_recommender import AbstractRecommender
    from recbole.trainer import trainer

    stock_other, stock_load = AbstractRecommender.other_parameter, AbstractRecommender.load_other_parameter

    def other_parameter(self: Any) -> Any:
        return to_plain(stock_other(self))

    def load_other_parameter(self: Any, para: Any) -> None:
        restored = para and {name: from_plain(value, getattr(self, name, None)) for name, value in para.items()}
        stock_load(self, restored)

    class PlainTorch(ModuleType):
        """The `torch` that RecBole's trainer module sees: all of torch, but its checkpoints hold no code."""

        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

        @staticmethod
        def save(state: dict[str, Any], path: str, **_: Any) -> None:
            save_checkpoint(state, path)

        @staticmethod
        def load(path: str, map_location: Any = None, **_: Any) -> dict[str, Any]:
            return load_checkpoint(path, map_location or "cpu")

    AbstractRecommender.other_parameter = other_parameter
    AbstractRecommender.load_other_parameter = load_other_parameter
    trainer.torch = PlainTorch("torch")


def _checkpoints_hold_code() -> bool:
    from recbole.trainer import trainer

    return type(trainer.torch) is ModuleType


class _QuickStartFinder:
    """Lets ``recbole.quick_start`` be imported where ray cannot: it needs ray for one hyper-tuning helper only.

    The stand-in is visible to that one import and to nothing else, so no other library takes it for ray.
    """

    target = "recbole.quick_start.quick_start"

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path) if name == cls.target else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            stand_ins = _ray_stand_ins()
            hidden = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
            sys.modules.update(stand_ins)
            try:
                execute(module)
            finally:
                for stand_in in stand_ins:
                    del sys.modules[stand_in]
                sys.modules.update(hidden)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _ray_stand_ins() -> dict[str, ModuleType]:
    try:
        from ray import tune  # noqa: F401
    except Exception as error:  # ray 2.6.3 fails in many ways on a newer stack: ImportError, AttributeError, ...
        reason = f"ray.tune cannot be imported ({type(error).__name__}: {error}); it is needed for this: {_INSTALL_RAY}"
    else:
        return {}

    def refuse(name: str) -> Any:
        if name.startswith("__"):  # a question about the module, as `hasattr(module, "__file__")`
            raise AttributeError(name)
        raise ImportError(reason)

    def report(*_: Any, **metrics: Any) -> None:
        """Does nothing, as ray's own outside of a tuning session; so RecBole's `objective_function` works alone."""

    ray, tune_stand_in = ModuleType("ray"), ModuleType("ray.tune")
    tune_stand_in.__getattr__ = refuse  # type: ignore[method-assign]
    tune_stand_in.report = report  # type: ignore[attr-defined]
    ray.tune = tune_stand_in  # type: ignore[attr-defined]
    return {"ray": ray, "ray.tune": tune_stand_in}


def _install_quick_start_finder() -> None:
    sys.meta_path.insert(0, _QuickStartFinder)  # type: ignore[arg-type]


def _anomaly_detection_is_coming() -> bool:
    import torch

    return _SINE not in sys.modules or torch.is_anomaly_enabled()


def _no_anomaly_detection() -> None:
    import torch

    importlib.import_module(_SINE)
    torch.autograd.set_detect_anomaly(False)


SHIMS: tuple[Shim, ...] = (
    Shim(
        "np.float_, np.complex_, np.unicode_, np.bool8",
        "gone in NumPy 2; used by RecBole's Config.compatibility_settings and by ray 2.6.3 (RecBole #2203)",
        lambda: bool(_missing_aliases()),
        _restore_numpy_aliases,
    ),
    Shim(
        "dok_matrix._update",
        "gone in SciPy 1.13; used by LightGCN, NGCF, GCMC, NCL, SpectralCF (RecBole #2034, #2090, #2185)",
        lambda: not hasattr(sp.dok_matrix, "_update"),
        lambda: setattr(sp.dok_matrix, "_update", _dok_update),
    ),
    Shim(
        "checkpoints without code",
        "torch >= 2.6 refuses RecBole's pickled Config on reload (RecBole #2215, #2212, #2216)",
        _checkpoints_hold_code,
        _plain_checkpoints,
    ),
    Shim(
        "recbole.quick_start without ray",
        "imports ray <= 2.6.3, which has no wheels beyond Python 3.11, for one hyper-tuning helper",
        lambda: _QuickStartFinder not in sys.meta_path,
        _install_quick_start_finder,
    ),
    Shim(
        "autograd's anomaly detection off",
        "importing RecBole's models turns it on for the whole process (in SINE's module), and every training step pays",
        _anomaly_detection_is_coming,
        _no_anomaly_detection,
    ),
)


def apply() -> list[PatchReport]:
    """Applies every shim that is needed, once; returns what was done the first time."""
    if not _reports:
        for shim in SHIMS:
            needed = shim.needed()
            if needed:
                shim.apply()
            _reports.append(PatchReport(shim.what, shim.why, needed))
    return list(_reports)
