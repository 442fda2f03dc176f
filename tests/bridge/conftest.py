"""RecBole writes below the working directory and reads `sys.argv`: both are a test's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recbole_xlrec.bridge.registry import register


@pytest.fixture(scope="session", autouse=True)
def _registered() -> None:
    register()


@pytest.fixture(autouse=True)
def _own_folder_and_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pytest"])
