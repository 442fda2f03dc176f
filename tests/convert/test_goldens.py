"""Every source: a hand-made raw sample, ugly rows and all, becomes exactly the expected files.

`tests/data/raw/<case>/` holds the raw files; `tests/data/expected/<case>/` the files expected and `case.yaml`, which
names the source and the options.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.convert.registry import SOURCES
from recbole_xlrec.data.yaml_files import read_yaml

DATA = Path(__file__).parents[1] / "data"
CASES = sorted(path.parent.name for path in (DATA / "expected").glob("*/case.yaml"))


def _converted(case: str, convert: Callable[..., Converted]) -> Converted:
    settings = read_yaml(DATA / "expected" / case / "case.yaml")
    return convert(settings["source"], DATA / "raw" / case, **settings.get("options", {}))


def _contents(folder: Path) -> dict[str, str]:
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name != "case.yaml"}
    for name in [name for name in files if name.endswith(".meta.json")]:
        meta = json.loads(files[name])
        meta.pop("written_by")
        files[name] = json.dumps(meta, indent=2, ensure_ascii=False)
    return files


@pytest.mark.parametrize("case", CASES)
def test_the_sample_becomes_exactly_the_expected_files(case: str, convert: Callable[..., Converted]) -> None:
    found, expected = _contents(_converted(case, convert).folder), _contents(DATA / "expected" / case)
    assert sorted(found) == sorted(expected)
    for name, text in expected.items():
        assert found[name] == text, name


@pytest.mark.parametrize("case", CASES)
def test_two_conversions_of_the_same_files_are_the_same_bytes(
    case: str, convert: Callable[..., Converted], tmp_path: Path
) -> None:
    first = {path.name: path.read_bytes() for path in _converted(case, convert).folder.iterdir()}
    (tmp_path / "atomic").rename(tmp_path / "first")
    assert {path.name: path.read_bytes() for path in _converted(case, convert).folder.iterdir()} == first


def test_every_source_has_a_sample() -> None:
    covered = {read_yaml(DATA / "expected" / case / "case.yaml")["source"] for case in CASES}
    assert covered == set(SOURCES)
