"""A finished run as `judge` takes it: its ranking, the context, its settings, and vectors of its items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.bridge.bilingual import bilingual
from recbole_xlrec.bridge.registry import OVERALL_YAML
from recbole_xlrec.bridge.run_folder import CONFIG, CONTEXT, RANKING, read_metrics
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.context import Context, load_context
from recbole_xlrec.evaluation.metrics import METRICS
from recbole_xlrec.ranking.ranking import Ranking, load_ranking
from recbole_xlrec.text.aligned import raw_rows
from recbole_xlrec.text.catalogue import EncoderOptions, catalogue_rows

_DEFAULT_METRICS = ("ndcg", "recall")


class SavedRun(NamedTuple):
    """What a run folder holds for an evaluation.

    Attributes:
        folder: The run folder.
        config: Its settings.
        ranking: Of its test queries.
        context: Of that ranking.
    """

    folder: Path
    config: dict[str, Any]
    ranking: Ranking
    context: Context

    def metrics(self) -> list[str]:
        """The run's own metrics, in lower case, as far as they are known by language; NDCG and recall without any."""
        named = self.config.get("metrics") or []
        own = [name.lower() for name in ([named] if isinstance(named, str) else named)]
        return [name for name in own if name in METRICS] or list(_DEFAULT_METRICS)

    def topk(self) -> list[int]:
        """The run's own cut-offs."""
        named = self.config.get("topk") or [10]
        return [named] if isinstance(named, int) else list(named)


def read_run(folder: Path) -> SavedRun:
    """Reads a run folder.

    Raises:
        DataError: If it holds no finished run, or one without a ranking or its context.
    """
    read_metrics(folder)
    if not (folder / RANKING).is_file():
        raise DataError(
            f"{folder} has no {RANKING}: value metrics such as AUC rank nothing. Make the run with ranking metrics, "
            "such as metrics: [NDCG]"
        )
    context = load_context(folder / CONTEXT)
    return SavedRun(folder, read_yaml(folder / CONFIG), load_ranking(folder / RANKING), context)


def item_vectors(run: SavedRun, encoder: str, data_path: Path | None = None) -> NDArray[np.float32]:
    """The text vectors of a run's items from the dataset's store, encoded there if they are not yet.

    Args:
        run: The run.
        encoder: As the key ``encoder``.
        data_path: Folder of the datasets; None for that of the run.

    Returns:
        (items, width), in the order of the context's items; zero for an item without text.

    Raises:
        DataError: If the dataset or its texts are not there.
        EncoderError: If the encoder cannot be loaded.
    """
    name = run.config["dataset"]
    folder = Path(run.config["data_path"]) if data_path is None else data_path / name
    if not folder.is_dir():
        raise DataError(
            f"no dataset folder {folder}, where --vectors reads the texts: name its parent with --data-path"
        )
    settings = _settings(run.config, encoder) | {"data_path": str(folder)}
    if settings["protocol"] == "bilingual":
        folder = bilingual(settings).folder
    matrix, rows = catalogue_rows(
        folder, name, EncoderOptions.from_config(settings), run.context.item_ids.tolist(), show_progress=True
    )
    return raw_rows(matrix, rows)


def _settings(config: Mapping[str, Any], encoder: str) -> dict[str, Any]:
    """A run's settings; what they say of another encoder is as by default."""
    defaults = read_yaml(OVERALL_YAML)
    settings = {**defaults, **config, "encoder": encoder, "missing_text": "empty", "device": None}
    if config.get("encoder") != encoder:
        own = ("encoder_dimension", "encoder_prompt", "encoder_prompt_name", "encoder_batch_size", "alignment")
        settings.update({key: defaults[key] for key in own})
    return settings
