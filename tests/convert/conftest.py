"""What the tests of converters share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.convert.pipeline import convert as convert_source
from recbole_xlrec.convert.registry import find_source
from recbole_xlrec.data.atomic import read_atomic


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., Converted]:
    """Converts `raw` by the source of this name into `tmp_path/atomic`; keyword arguments are `Options`."""

    def run(source: str, raw: Path, replace: bool = False, **options: Any) -> Converted:
        found = find_source(source)
        options.setdefault("name", found.dataset or found.name)
        return convert_source(found, raw, tmp_path / "atomic", Options(**options), replace)

    return run


@pytest.fixture
def tables() -> Callable[[Converted], dict[str, pd.DataFrame]]:
    """Reads all atomic files of a converted dataset, by suffix (`inter`, `item`, `train.inter` …)."""

    def read(converted: Converted) -> dict[str, pd.DataFrame]:
        name = converted.folder.name
        files = [path for path in converted.folder.iterdir() if path.suffix in (".inter", ".item", ".user", ".text")]
        return {path.name.removeprefix(f"{name}."): read_atomic(path) for path in files}

    return read


@pytest.fixture
def stock_dataset(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Loads a converted dataset with RecBole's own `Config` and `Dataset`, nothing of ours but the shims."""

    def load(converted: Converted, sequential: bool = False, **config: Any) -> Any:
        from recbole_xlrec.bridge import compat

        compat.apply()
        from recbole.config import Config
        from recbole.data.dataset import Dataset, SequentialDataset

        monkeypatch.setattr("sys.argv", ["test"])
        settings = {"data_path": str(converted.folder.parent), "load_col": None, **config}
        kind, model = (SequentialDataset, "GRU4Rec") if sequential else (Dataset, "BPR")
        if sequential:
            settings["train_neg_sample_args"] = None
        return kind(Config(model=model, dataset=converted.folder.name, config_dict=settings))

    return load


@pytest.fixture
def real_data() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    folder = os.environ.get("XLREC_DATA")
    if not folder:
        pytest.skip("XLREC_DATA, the folder of real data, is not set")
    return Path(folder)
