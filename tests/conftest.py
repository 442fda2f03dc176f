"""What tests of the whole package share: an empty working directory, the toy set, small datasets, a cut of ml-100k."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recbole_xlrec.data.atomic import read_atomic, write_atomic

ROOT = Path(__file__).parents[1]
Rows = Sequence[tuple[Any, ...]]


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever RecBole writes into the working directory, it does not write into the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def toy_config() -> Path:
    """The toy set's dataset config."""
    return ROOT / "dataset_configs" / "toy.yaml"


@pytest.fixture(scope="session")
def copy_toy() -> Callable[[Path], Path]:
    """Copies the toy set below a folder and returns that folder, the `data_path`."""

    def copy(folder: Path) -> Path:
        shutil.copytree(ROOT / "atomic_data" / "toy", folder / "toy", ignore=shutil.ignore_patterns(".vectors"))
        return folder

    return copy


@pytest.fixture
def toy(tmp_path: Path, copy_toy: Callable[[Path], Path]) -> Path:
    """A `data_path` that holds a copy of the toy set."""
    return copy_toy(tmp_path / "data")


@pytest.fixture(scope="session")
def write_dataset() -> Callable[..., Path]:
    """Writes `<folder>/<name>/<name>.*` and returns `folder`, the `data_path`.

    Each table is a list of rows; a first column of ids and the usual columns after it can be renamed by `columns`.
    """

    def write(
        folder: Path,
        name: str = "tiny",
        types: Mapping[str, str] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
        **tables: Rows,
    ) -> Path:
        names = {**_COLUMNS, **(columns or {})}
        for suffix, rows in tables.items():
            frame = pd.DataFrame(list(rows), columns=list(names[suffix]))
            write_atomic(folder / name / f"{name}.{suffix}", frame, types)
        return folder

    return write


_COLUMNS: dict[str, Sequence[str]] = {
    "inter": ("user_id", "item_id", "timestamp"),
    "user": ("user_id", "language"),
    "item": ("item_id", "language"),
    "text": ("item_id", "language", "title"),
}


@pytest.fixture(scope="session")
def ml100k() -> Path:
    """The `data_path` of the ml-100k that ships inside the recbole package."""
    spec = find_spec("recbole")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "dataset_example")


@pytest.fixture(scope="session")
def ml_cut(ml100k: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `data_path` that holds `ml-cut`: 200 films of ml-100k, users 2 to 80 (1 rated all); languages en and de."""
    folder, source = tmp_path_factory.mktemp("data"), ml100k / "ml-100k"
    events = read_atomic(source / "ml-100k.inter")
    events = events[events["user_id"].astype(int).between(2, 80) & (events["item_id"].astype(int) <= 200)]
    films = read_atomic(source / "ml-100k.item").query("item_id in @events.item_id")
    users = read_atomic(source / "ml-100k.user").query("user_id in @events.user_id")
    users = users.assign(language=["en" if int(user) % 2 else "de" for user in users["user_id"]])
    target = folder / "ml-cut" / "ml-cut"
    write_atomic(f"{target}.inter", events)
    write_atomic(f"{target}.item", films, {"movie_title": "token_seq", "class": "token_seq"})
    write_atomic(f"{target}.user", users, dict.fromkeys(("age", "gender", "occupation", "zip_code"), "token"))
    return folder


@pytest.fixture(scope="session")
def small_language_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves an untrained XLM-R (1 layer, 16 wide, or as told) that knows the words of some texts."""
    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).with_name("tiny_models.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    usual = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}

    def build(texts: Sequence[str], **sizes: Any) -> Path:
        folder = tmp_path_factory.mktemp("language-model") / "small"
        return module.build_transformer(folder, sentences=texts, **{**usual, "initializer_range": 0.05, **sizes})

    return build


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running browser, see `chromium.py`; tests that need one are skipped where there is none."""
    spec = importlib.util.spec_from_file_location("chromium", Path(__file__).with_name("chromium.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = module.find_chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or put one on the PATH")
    with module.Chromium(path, tmp_path_factory.mktemp("browser")) as browser:
        yield browser
