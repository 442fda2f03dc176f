"""What click models learn from: rows that are labelled 0 to 1, or drawn as negatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError, sample


def check_labels(config: Any, dataset: Any) -> None:
    """Refuses a training part that has nothing to tell apart.

    Raises:
        ConfigError: There are neither labels nor drawn negatives, or both.
        DataError: Labels are not from 0 to 1, or all alike.
    """
    field, events = dataset.label_field, dataset.inter_feat
    labelled, sampled = field in events.columns, config["train_neg_sample_args"]["distribution"] != "none"
    if not labelled and not sampled:
        raise ConfigError(
            f"click prediction needs labels, and the interactions have no column {field!r}: set threshold, as "
            "{rating: 4}, or draw negatives by train_neg_sample_args, as {distribution: uniform, sample_num: 1}"
        )
    if labelled and sampled:
        raise ConfigError(
            f"train_neg_sample_args and labels ({field!r}, of threshold or of the file) exclude each other: RecBole "
            "would take every row for a positive one. Set one of the two to ~"
        )
    if labelled:
        _check_values(events[field].numpy(), field)


def _check_values(labels: NDArray[np.floating[Any]], field: str) -> None:
    """(rows,) labels."""
    found = np.unique(labels)
    wrong = found[~((found >= 0) & (found <= 1))]  # NaN is neither
    if len(wrong):
        rows = int((~((labels >= 0) & (labels <= 1))).sum())
        raise DataError(
            f"column {field!r}: {rows} of {len(labels)} training rows have a label outside 0 to 1: {sample(wrong)}. "
            "A column of ratings becomes labels by threshold, as {rating: 4}"
        )
    if len(found) == 1:
        raise DataError(
            f"column {field!r}: all {len(labels)} training rows have the label {found[0]:g}, so that there is nothing "
            "to tell apart. Lower or raise threshold, or take val_interval away, which drops rows before it"
        )
