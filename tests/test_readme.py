"""What the README tells a newcomer to type, typed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [
    line for block in blocks("bash") for line in block.splitlines() if line.startswith(".venv/bin/recbole-xlrec")
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the commands read, so that they write nothing into the repository."""
    from recbole_xlrec.convert.ml100k_xl import convert

    shutil.copytree(ROOT / "dataset_configs", tmp_path / "dataset_configs")
    shutil.copytree(ROOT / "tests" / "data" / "raw" / "table", tmp_path / "tests" / "data" / "raw" / "table")
    ignored = shutil.ignore_patterns(".vectors")
    shutil.copytree(ROOT / "atomic_data" / "toy", tmp_path / "atomic_data" / "toy", ignore=ignored)
    convert(tmp_path / "atomic_data")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(command: str, checkout: Path) -> None:
    arguments = shlex.split(command)[1:]
    shown = subprocess.run(
        [sys.executable, "-m", "recbole_xlrec", *arguments], cwd=checkout, capture_output=True, text=True, timeout=300
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout


def test_the_python_example_prints_what_it_says(checkout: Path) -> None:
    (code,) = blocks("python")
    shown = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, timeout=300)
    assert shown.stdout == "1.0\n", shown.stderr


def test_the_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\S+)", "\n".join(blocks("bash")), flags=re.MULTILINE)
    assert targets == ["quickstart", "test"]
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_files_that_the_readme_links_to_exist() -> None:
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("config", sorted((ROOT / "dataset_configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_dataset_config_begins_with_the_command_that_uses_it(config: Path) -> None:
    first = config.read_text(encoding="utf-8").splitlines()[0]
    dataset, _, model = config.stem.partition(".")
    files = f"dataset_configs/{config.name}"
    if model:  # settings of one model, over those of the dataset
        files = f'"dataset_configs/{dataset}.yaml {files}"'
    expected = f"# recbole-xlrec --model={model or '[A-Za-z]+'} --dataset={dataset} --config_files={files}"
    assert re.fullmatch(expected, first)
