"""The rows of some languages' users in every part of a split; items, texts and what models are built on stay whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_xlrec.data.language_index import LanguageIndex
from recbole_xlrec.errors import ConfigError, DataError, sample

_PARTS = ("training", "validation", "test")


class LanguageRows:
    """A dataset as `data_preparation` takes it, whose split keeps the rows of the users of some languages.

    Args:
        dataset: Any, decorated by `xl_dataset`.
        languages: Tags.

    Attributes:
        whole: After `build`, the training part of all languages: what the model is built on.
    """

    def __init__(self, dataset: Any, languages: Sequence[str]) -> None:
        self._dataset, self._languages = dataset, languages
        self.whole: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def build(self) -> list[Any]:
        """The split.

        Raises:
            ConfigError: If the users carry no language.
            DataError: If a language is not there, or a part is left without rows.
        """
        parts = self._dataset.build()
        self.whole = parts[0]
        index = self._dataset.languages
        if index is None:
            raise ConfigError(
                f"finetune_language needs a language column in {self._dataset.dataset_name}.user, and there is none"
            )
        return of_languages(parts, index, self._languages)


def of_languages(parts: Sequence[Any], index: LanguageIndex, languages: Sequence[str]) -> list[Any]:
    """The rows of each part whose users are of some languages; texts and items are left alone.

    Raises:
        DataError: If a language is not there, or a part is left without rows.
    """
    mine = np.isin(index.users, [index.code(language) for language in languages])  # (users,)
    kept = [part.copy(part.inter_feat[mine[part.inter_feat[part.uid_field].numpy()]]) for part in parts]
    for name, part, before in zip(_PARTS, kept, parts, strict=True):
        if not len(part):
            users = np.unique(before.inter_feat[before.uid_field].numpy())
            there = sorted({index.names[code] for code in index.users[users]})
            raise DataError(
                f"finetune_language: of {len(before)} {name} rows none is of a user in {sample(languages)}; there are "
                f"users in {sample(there, 12)}. Take one of these, or another protocol or eval_args.split in both runs"
            )
    return kept
