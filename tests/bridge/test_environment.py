from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import pytest

import recbole_xlrec
from recbole_xlrec.bridge.environment import EXTRAS, PACKAGES, PeakMemory, environment, version

MEGABYTES = 2**20


def _touch(megabytes: int) -> np.ndarray:
    return np.ones(megabytes * MEGABYTES, dtype=np.uint8)


def test_the_peak_has_what_was_allocated_after_it_and_freed_since() -> None:
    memory = PeakMemory()
    before = memory.megabytes()
    block = _touch(100)
    during = memory.megabytes()
    del block
    assert memory.megabytes() > during - 5  # the kernel counts in batches
    if memory._resets:
        assert 90 < during - before < 150


def test_the_peak_has_not_what_was_freed_before_it() -> None:
    if not PeakMemory()._resets:
        pytest.skip("this system does not reset its high-water mark")
    before = PeakMemory().megabytes()
    block = _touch(200)
    old = PeakMemory()
    assert old.megabytes() > before + 150
    del block
    assert PeakMemory().megabytes() < before + 50


def test_where_the_mark_cannot_be_reset_the_peak_is_that_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeakMemory, "_reset", tmp_path / "no" / "such" / "file")
    block = _touch(100)
    assert PeakMemory().megabytes() > len(block) / MEGABYTES


def test_versions_are_those_installed() -> None:
    assert version("recbole") == "1.2.1"
    assert version("no-such-package") is None


def test_the_environment_is_plain_and_names_the_stack() -> None:
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["python"] == platform.python_version()
    assert found["command"] == ["pytest"]
    assert set(found["packages"]) == set(PACKAGES)
    assert not {"recbole", "torch", "numpy"} - {name for name, there in found["packages"].items() if there}
    assert found["packages"]["recbole_xlrec"] == recbole_xlrec.__version__


def test_the_optional_extras_are_those_of_the_package() -> None:
    setup = (Path(__file__).parents[2] / "setup.cfg").read_text(encoding="utf-8")
    for extra, package in EXTRAS.items():
        assert f"\n{extra} =\n    {package}" in setup
