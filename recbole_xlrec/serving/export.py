"""Item vectors of a run and an index of them, for `recommend --index`, `serve --index` and other systems."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from recbole_xlrec.errors import DataError
from recbole_xlrec.ranking.topk import top_items
from recbole_xlrec.serving.approximate import check_inner_product
from recbole_xlrec.serving.item_folder import run_hash, write_items
from recbole_xlrec.serving.known_users import chosen
from recbole_xlrec.serving.nearest import TUNED_FOR, IndexKind, Vectors, build, tune
from recbole_xlrec.serving.recommender import Recommender

logger = logging.getLogger(__name__)

#: Users of the run whose lists the index is tuned for.
USERS = 1000


class Exported(NamedTuple):
    """What an export came to.

    Attributes:
        items: How many there are.
        width: Of their vectors.
        effort: What a search by the index does: cells or candidates looked at; see `nearest`.
        recall: Share of users' true lists that the index finds.
        seconds: That building and tuning took.
    """

    items: int
    width: int
    effort: int
    recall: float
    seconds: float


@torch.no_grad()
def export(recommender: Recommender, folder: Path, kind: IndexKind = "ivf", recall: float = 0.98) -> Exported:
    """Writes a run's item vectors and an index of them.

    The index looks at no more of the items than it needs to find, on average over up to `USERS` users of the run, that
    share of each user's best `TUNED_FOR` items.

    Args:
        recommender: The run.
        folder: Where to; see `item_folder`.
        kind: Of the index.
        recall: The share.

    Raises:
        ConfigError: If the model's score is no inner product, the catalogue does not fit the kind, or FAISS is absent.
        DataError: If vectors hold what is no finite number, or the folder holds something else.
    """
    run = recommender.run
    check_inner_product(run.model)
    vectors = run.model.items_once()[1:].float().cpu().numpy()  # (items, width)
    vectors = np.ascontiguousarray(vectors)
    _check_finite(vectors, recommender)
    started = time.perf_counter()
    index = build(vectors, kind)
    queries = _queries(recommender)
    exact = top_items(torch.from_numpy(queries), torch.from_numpy(vectors), min(TUNED_FOR, len(vectors)), first=0)
    reached = tune(index, vectors, queries, exact.ids.numpy(), recall)
    seconds = time.perf_counter() - started
    if reached < recall:
        logger.warning("the index finds %.3f of users' lists at its greatest effort; asked for: %.3f", reached, recall)
    catalogue = recommender.catalogue
    noted = {
        "model": type(run.model).__name__,
        "dataset": run.settings["dataset"],
        "run": run.folder.name,
        "run_sha256": run_hash(run.folder),
        "index": {f"recall@{exact.ids.shape[1]}": round(reached, 4), "users": len(queries)},
    }
    write_items(folder, vectors, (catalogue.ids[1:], catalogue.languages[1:]), index, noted)
    return Exported(len(vectors), vectors.shape[1], index.effort, reached, seconds)


def _check_finite(vectors: Vectors, recommender: Recommender) -> None:
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        first = recommender.catalogue.ids[1:][broken[0]]
        raise DataError(
            f"the vectors of {len(broken):,} of {len(vectors):,} items hold what is no finite number, first that of "
            f"{str(first)!r}: training has diverged. Train with a smaller learning_rate"
        )


def _queries(recommender: Recommender) -> Vectors:
    """What the model asks for users drawn at random, (users, width)."""
    told: Any = recommender.users.told
    there = np.flatnonzero(np.diff(told.starts) > 0)
    users = np.sort(np.random.default_rng(0).permutation(there)[:USERS])
    if not len(users):
        raise DataError("no user of the run has a history by which an index could be tuned")
    return recommender.scorer.known(users, chosen(told, users)).float().cpu().numpy()
