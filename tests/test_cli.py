"""The command line as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = f"--data_path={ROOT / 'atomic_data'}"
ENCODE_DATA = DATA.replace("_path", "-path")


def call(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recbole_xlrec", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_help_imports_neither_torch_nor_recbole() -> None:
    code = "import sys; from recbole_xlrec.cli import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout
    assert "quickstart" in shown
    modules = shown.rsplit("[", 1)[1]
    assert not any(f"'{heavy}'" in modules for heavy in ("torch", "recbole", "pandas", "sklearn", "transformers"))


def test_a_run_writes_its_folder_and_prints_metrics_by_language(tmp_path: Path) -> None:
    flags = ["--model=XLEASE", "--dataset=toy", f"--config_files={ROOT / 'dataset_configs' / 'toy.yaml'}"]
    flags += [f"--data_path={ROOT / 'atomic_data'}", "--show_progress=False"]
    shown = call(*flags, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "de    ndcg@1 1.0000" in shown.stdout
    (metrics,) = tmp_path.glob("runs/toy/XLEASE/*/metrics.json")
    assert json.loads(metrics.read_text())["test"]["ndcg@1"] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    again = call(*flags, cwd=tmp_path)
    assert "finished before" in again.stdout


def test_recboles_models_take_the_same_flags(tmp_path: Path) -> None:
    shown = call("-m", "BPR", "-d", "toy", f"--data_path={ROOT / 'atomic_data'}", "--epochs=1", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "recall@10" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=XLEAS", "--dataset=toy"], "did you mean"),
        (["--model=BPR", "--dataset=ty", DATA], "Did you mean 'toy'?"),
        (["--model=BPR", "--dataset=toy", "--learning_rat=0.1"], "learning_rate"),
        (["--model=BPR", "--dataset=toy", "epochs=3"], "--key=value"),
        (["--model=BPR", "--dataset=toy", "--epochs=1", "--epochs=2"], "given twice"),
        (["--model=BPR", "--dataset=toy", "--config_files=nowhere.yaml"], "nowhere.yaml"),
        (["--model=BPR", "--dataset=toy", DATA, "--nproc=2"], "CUDA devices"),
        (["encode", "toy", ENCODE_DATA, "--encoder", "./no/such/model"], "./no/such/model"),
        (["encode", "nothing", ENCODE_DATA], "nothing"),
    ],
)
def test_a_mistake_is_one_message_that_says_what_to_do(arguments: list[str], message: str, tmp_path: Path) -> None:
    shown = call(*arguments, cwd=tmp_path)
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr
    assert shown.stderr.startswith("error: ") or "\nerror: " in shown.stderr
    assert message.lower() in shown.stderr.lower()


def test_encode_writes_vectors_that_a_second_call_finds(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "atomic_data" / "toy", tmp_path / "toy", ignore=shutil.ignore_patterns(".vectors"))
    first = call("encode", "toy", f"--data-path={tmp_path}", "--dimension=8")
    assert "24 items, 8 dimensions" in first.stdout, first.stderr
    (folder,) = (tmp_path / "toy" / ".vectors").glob("*/")
    written = (folder / "vectors.npy").stat().st_mtime_ns
    assert call("encode", "toy", f"--data-path={tmp_path}", "--dimension=8").stdout == first.stdout
    assert (folder / "vectors.npy").stat().st_mtime_ns == written


def test_models_lists_ours_first_and_recboles(tmp_path: Path) -> None:
    lines = call("models").stdout.splitlines()
    assert lines[1].startswith("XLProfile")
    assert any(line.startswith("LightGCN") and "general" in line for line in lines)
    sequential = call("models", "--family=sequential").stdout
    assert "SASRec" in sequential
    assert "LightGCN" not in sequential


def test_doctor_names_each_patch_and_missing_extra() -> None:
    shown = call("doctor").stdout
    for word in ("recbole", "1.2.1", "dok_matrix._update", "Accelerators"):
        assert word in shown
