"""Language-balanced sampling: with `language_alpha` below 1, small languages are drawn more often in training.

Each epoch draws as many rows as there are, with replacement, such that the share of a language is in proportion to its
share of the rows to the power of alpha (Arivazhagan et al. 2019, https://arxiv.org/abs/1907.05019; Conneau et al., ACL
2020, "XLM-R", section 3.1). The language of a row is as `LanguageIndex.of_rows` has it: the user's, or the target
item's where all users have one language. A row that holds many targets, as a window does, counts as one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recbole.data.dataloader import UserDataLoader
from recbole.utils import ModelType

from recbole_xlrec.bridge.whole_users import WholeUsersDataLoader
from recbole_xlrec.errors import ConfigError

logger = logging.getLogger(__name__)

#: Models that are not trained by gradients: their trainers show them rows, if at all, for nothing or to count them.
UNTRAINED = (ModelType.TRADITIONAL, ModelType.DECISIONTREE)


def redraw_rows(loader: Any, config: Any, epoch: int) -> None:
    """Draws the rows of the coming epoch, in place; nothing happens where alpha is 1 or nothing is trained.

    The draw depends on the seed and the epoch alone, so that it is the same in every process and after a resume.

    Args:
        loader: RecBole's loader of training rows.
        config: `language_alpha`, `seed`, `MODEL_TYPE`.
        epoch: From 0.

    Raises:
        ConfigError: If the dataset's rows have no languages.
    """
    alpha = config["language_alpha"]
    if alpha == 1 or config["MODEL_TYPE"] in UNTRAINED:
        return
    loader = getattr(loader, "general_dataloader", loader)  # of a knowledge graph's, the one of interactions
    rows, codes = _rows(loader)
    counts = np.bincount(codes)
    if np.count_nonzero(counts) < 2:
        return
    generator = np.random.default_rng([config["seed"], epoch])
    listed = loader.__dict__["dataset"]  # RecBole hides the list of rows behind the attribute of the dataset
    drawn = balanced(codes, alpha, len(listed), generator)
    listed[:] = rows[drawn].tolist()
    if epoch == 0:
        found = np.bincount(codes[drawn], minlength=len(counts)) / len(drawn)
        names = loader._dataset.languages.names
        shares = {names[code]: round(float(found[code]), 4) for code in np.flatnonzero(counts)}
        logger.info("language_alpha %s: the first epoch's shares are %s", alpha, shares)


def check_alpha(values: Mapping[str, Any]) -> None:
    """Refuses an alpha outside [0, 1]; warns where the model does not read it.

    Raises:
        ConfigError: Says what it may be.
    """
    alpha = values["language_alpha"]
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 <= alpha <= 1:
        raise ConfigError(
            f"language_alpha is a number from 0 (all languages alike) to 1 (as they are); found {alpha!r}"
        )
    if alpha != 1 and values["MODEL_TYPE"] in UNTRAINED:
        logger.warning("%s is not trained by gradients and does not read language_alpha", values["model"])


def balanced(codes: NDArray[np.int64], alpha: float, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draws rows with replacement, the share of each language in proportion to its share to the power of alpha.

    Args:
        codes: (rows,) language of each.
        alpha: 0: all languages alike; 1: as the rows have them.
        count: How many to draw.
        generator: Where chance comes from.

    Returns:
        (count,) rows.
    """
    counts = np.bincount(codes)  # (codes,)
    powers = np.where(counts > 0, (counts / len(codes)) ** alpha, 0.0)
    wanted = generator.multinomial(count, powers / powers.sum())
    members = [np.flatnonzero(codes == code) for code in range(len(counts))]
    drawn = [rows[generator.integers(len(rows), size=n)] for rows, n in zip(members, wanted, strict=True) if n]
    return generator.permutation(np.concatenate([np.zeros(0, dtype=np.int64), *drawn]))


def _rows(loader: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows,) what may be drawn; (rows,) its languages."""
    dataset = loader._dataset
    index = dataset.languages
    if index is None:
        raise ConfigError(
            f"language_alpha below 1 needs a language column in {dataset.dataset_name}.user, and there is none; "
            "leave language_alpha at 1"
        )
    if index.items is None and len(np.unique(index.users[1:])) < 2:
        raise ConfigError(
            "language_alpha below 1 needs more than one language, and all users are of one; leave it at 1"
        )
    events = dataset.inter_feat
    users, items = events[dataset.uid_field].numpy(), events[dataset.iid_field].numpy()
    if not isinstance(loader, (UserDataLoader, WholeUsersDataLoader)):
        return np.arange(len(users)), index.of_rows(users, items)
    if not index.by_user:
        raise ConfigError(
            "language_alpha below 1: this model trains on users, and all are of one language; leave it at 1"
        )
    users = np.unique(users)  # a row is a user; RecBole's loader has some that training sees no interaction of
    rows = users if isinstance(loader, UserDataLoader) else np.arange(len(users))
    return rows, index.users[users]
