"""The trainer of `XLFusion`: trains or finds the members, fits the fusion on validation, fuses what is evaluated."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recbole.trainer import TraditionalTrainer

from recbole_xlrec.bridge.fusion_fit import Fusion, check_fusion, fit_fusion, learns
from recbole_xlrec.bridge.fusion_members import Member, find_members, wanted_members
from recbole_xlrec.bridge.met_items import mask_met
from recbole_xlrec.bridge.recorder import padded
from recbole_xlrec.bridge.trainer import XLTrainerMixin
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.align import Aligned, align
from recbole_xlrec.ranking.lists import Lists, blocks
from recbole_xlrec.ranking.ranking import Ranking

logger = logging.getLogger(__name__)


class FusionTrainer(XLTrainerMixin, TraditionalTrainer):
    """RecBole's trainer of models that need no training.

    Attributes:
        members: Found by `fit`.
        fusion: Learned by `fit`.
    """

    model: Any
    members: list[Member]
    fusion: Fusion | None = None
    _asked: Any = None  # the loader of the evaluation in progress

    def fit(self, train_data: Any, valid_data: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Finds the members, learns the fusion, and validates it.

        Raises:
            ConfigError: If the keys do not fit each other or there is nothing to learn from.
            DataError: If the members are not of one dataset and split, this run's own.
        """
        config, dataset = self.config, train_data._dataset
        check_fusion(config, len(wanted_members(config["members"])))
        if learns(config) and not valid_data:
            raise ConfigError(f"fusion: {config['fusion']} learns from validation, and eval_args.split leaves none")
        names = () if dataset.languages is None else dataset.languages.names[1:]
        self.members = find_members(config, names)
        self.fusion = fit_fusion(
            config,
            dataset,
            [member.name for member in self.members],
            lambda: self._aligned(valid_data, "valid"),
            lambda: self.members[0].ranking("test"),
        )
        if config["run_folder"] is not None:
            self.fusion.save(Path(config["run_folder"]))
        self.model.weights = self.fusion.report().get("weights", {})
        return super().fit(train_data, valid_data, *args, **kwargs)

    def evaluate(self, eval_data: Any, *args: Any, **kwargs: Any) -> Any:
        """As every trainer's; says to the model which part is asked about."""
        if eval_data:
            self.model.part = eval_data._sampler.phase
        self._asked = eval_data
        return super().evaluate(eval_data, *args, **kwargs)

    def _full_sort_batch_eval(self, batched_data: Any) -> Any:
        # Not before: a checkpoint that `evaluate` loads may hold the lists
        if self.fusion is not None and self.model.part not in self.model.lists:
            users, aligned = self._aligned(self._asked, self.model.part)
            k = max([self.config["ranking_k"], *self.config["topk"]])
            self.model.hold(self.model.part, users, self.fusion.fused(users, aligned.members, k))
        return super()._full_sort_batch_eval(batched_data)

    def fusion_report(self) -> dict[str, Any]:
        """The method, what it learned, and the members with their own metrics on test."""
        learned = {} if self.fusion is None else self.fusion.report()
        return {
            **learned,
            "depth": self.config["fusion_depth"],
            "members": [member.report() for member in self.members],
        }

    def _aligned(self, loader: Any, part: str) -> tuple[NDArray[np.int64], Aligned]:
        """The users of a part's queries, (queries,), and the members' lists of the candidates of each."""
        mask_met(loader)
        own = _queries(loader)
        rankings = [own, *(member.ranking(part) for member in self.members)]
        names = [f"this run's {part} part", *(f"member {member.name}" for member in self.members)]
        aligned = align(rankings, names, loader._dataset.item_ids)
        depth = self.config["fusion_depth"]
        lists = [_without_met(each.top(depth), loader) for each in aligned.members[1:]]
        return loader.uid_list.numpy(), aligned._replace(members=lists)


def _queries(loader: Any) -> Ranking:
    """The queries of a loader as a ranking that lists nothing: what members' rankings are aligned to."""
    dataset, users = loader._dataset, loader.uid_list.numpy()
    items = [loader.uid2positive_item[user].numpy() for user in users]
    rows = np.repeat(np.arange(len(users)), [*map(len, items)])  # (targets,)
    languages = np.full(len(users), "")
    if dataset.languages is not None:
        languages = np.array(dataset.languages.names)[dataset.languages.users[users]]
    return Ranking(
        query_ids=dataset.field2id_token[dataset.uid_field][users].astype(str),
        items=np.empty((len(users), 0), dtype=np.int32),
        scores=np.empty((len(users), 0), dtype=np.float32),
        targets=padded(rows, np.concatenate(items), len(users)),
        languages=languages,
        ids=dataset.item_ids,
    )


def _without_met(lists: Lists, loader: Any) -> Lists:
    """Lists without the items that are no candidates here since the user has met them; sequential models list them."""
    keep = np.ones(lists.items.shape, dtype=bool)
    if loader.config["repeatable"]:
        return lists
    size, users = loader._dataset.item_num, loader.uid_list.numpy()
    for some in blocks(len(users), lists.items.shape[1] or 1):
        met = [loader.uid2history_item[user].numpy() for user in users[some]]
        rows = np.repeat(np.arange(len(met)), [*map(len, met)])  # (met,)
        cells = np.arange(len(met))[:, None] * size + lists.items[some]  # (rows, k)
        keep[some] = ~np.isin(cells, rows * size + np.concatenate(met))
    return lists if keep.all() else lists.kept(keep)
