"""Tiny encoders, built once a session, and no way to the hub."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

PROMPTS = {"query": "query: ", "passage": "passage: "}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if importlib.util.find_spec("huggingface_hub") is not None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def tiny_models() -> ModuleType:
    """The builder module, by its path: tests are not a package."""
    path = Path(__file__).parents[1] / "tiny_models.py"
    spec = importlib.util.spec_from_file_location("tiny_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sentence_model(tiny_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds (once for the same arguments) a tiny sentence-transformers model and returns its folder."""
    built: dict[str, Path] = {}

    def build(pooling: str = "mean", default_prompt_name: str | None = "passage", seed: int = 0) -> Path:
        name = f"{pooling}-{default_prompt_name}-{seed}"
        if name not in built:
            folder = tmp_path_factory.mktemp("models") / name
            built[name] = tiny_models.build_sentence_model(
                folder, pooling, prompts=PROMPTS, default_prompt_name=default_prompt_name, seed=seed
            )
        return built[name]

    return build
