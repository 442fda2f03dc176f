"""What this package adds to any RecBole trainer class: candidate scope, the saved ranking, the history of epochs.

Checkpoints without code come with `compat`, for RecBole's own trainers too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.trainer import trainer as recbole_trainer
from recbole.utils import EvaluatorType
from torch.utils.tensorboard import SummaryWriter

from recbole_xlrec.bridge.averaging import WeightAverage
from recbole_xlrec.bridge.balance import redraw_rows
from recbole_xlrec.bridge.distributed import GatheringCollector, is_main, share_queries, wrapping
from recbole_xlrec.bridge.hidden_targets import hidden_targets, with_targets
from recbole_xlrec.bridge.met_items import mask_met, without_met
from recbole_xlrec.bridge.recorder import RankingRecorder
from recbole_xlrec.bridge.retrieval import RetrievalCollector, lists_suffice, queries_at_once, retrieve
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.ranking import Ranking

if TYPE_CHECKING:
    from recbole.trainer import Trainer as _Base
else:
    _Base = object


@cache
def xl_trainer(base: type) -> type:
    """Decorates a RecBole trainer class; the result is a subclass of it; a decorated one stays as it is."""
    if issubclass(base, XLTrainerMixin):
        return base
    return type(f"XL{base.__name__}", (XLTrainerMixin, base), {"__doc__": f"{base.__name__} across languages."})


class XLTrainerMixin(_Base):
    """See `xl_trainer`.

    Attributes:
        history_path: A file that gets one JSON line an epoch; None for none.
        recorder: Collects the ranking of the evaluation in progress; None where none is asked for.
    """

    history_path: Path | None = None
    recorder: RankingRecorder | None = None
    _limits: tuple[torch.Tensor, torch.Tensor] | None = None
    _targets: sp.csr_matrix | None = None
    _unmet_of: Any = None  # the part of sequential queries whose users' items are no candidates
    _by_lists = False
    _epoch: dict[str, Any] | None = None

    def __init__(self, config: Any, model: Any) -> None:
        with _tensorboard_in(config["run_folder"], is_main(config)), wrapping(config):
            super().__init__(config, model)
        self.eval_collector = (RetrievalCollector if config["single_spec"] else GatheringCollector)(config)
        decay = config["weight_average"]
        self._average = WeightAverage(decay, model.parameters()) if decay and hasattr(self, "optimizer") else None

    # --- history -----------------------------------------------------------------------------------------------

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """RecBole's ``fit``; see there."""
        result = super().fit(*args, **kwargs)
        self._write_epoch()
        return result

    def _train_epoch(self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        self._write_epoch()
        redraw_rows(train_data, self.config, epoch_idx)
        started, cpu = time.perf_counter(), time.process_time()
        if self._average is not None:
            self._average.follow(self.optimizer)
            self._average.hide()
        loss = super()._train_epoch(train_data, epoch_idx, *args, **kwargs)
        if self._average is not None:
            self._average.show()
        total = sum(loss) if isinstance(loss, tuple) else loss
        seconds = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        self._epoch = {"epoch": epoch_idx, "loss": total, **seconds, "valid": None}
        return loss

    def _valid_epoch(self, *args: Any, **kwargs: Any) -> Any:
        score, result = super()._valid_epoch(*args, **kwargs)
        if self._epoch is not None:
            self._epoch["valid"] = {name: float(value) for name, value in result.items()}
        return score, result

    def _write_epoch(self) -> None:
        if self._epoch is not None and self.history_path is not None:
            with self.history_path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(self._epoch) + "\n")
        self._epoch = None

    # --- evaluation --------------------------------------------------------------------------------------------

    def evaluate(self, eval_data: Any, *args: Any, **kwargs: Any) -> Any:
        """RecBole's ``evaluate``, over the candidates that ``candidates`` leaves; without a score matrix if possible.

        Raises:
            ConfigError: If the candidates are limited and the evaluation samples them.
        """
        self._limits = self._candidate_limits(eval_data)
        mask_met(eval_data)
        self._targets = hidden_targets(eval_data)
        sequential = isinstance(eval_data, FullSortEvalDataLoader) and eval_data.is_sequential
        self._unmet_of = eval_data._dataset if sequential and self.config["exclude_met"] else None
        if eval_data:
            self.eval_collector.read_languages(eval_data._dataset)
        if eval_data and not self.config["single_spec"]:
            share_queries(eval_data, self.config)
        full = isinstance(eval_data, FullSortEvalDataLoader)
        self._by_lists = full and lists_suffice(self.model, self.eval_collector)
        count = self.config["eval_batch_size"]
        with queries_at_once(eval_data, count) if self._by_lists else nullcontext():
            return super().evaluate(eval_data, *args, **kwargs)

    def _map_reduce(self, result: Any, num_sample: int) -> Any:
        return result  # of all queries already: see `GatheringCollector`

    def evaluate_with_ranking(
        self, eval_data: Any, length: int, **kwargs: Any
    ) -> tuple[dict[str, float], Ranking | None]:
        """Evaluates and keeps the ranking.

        Args:
            eval_data: Validation or test data.
            length: Length of the lists.
            **kwargs: As of RecBole's ``evaluate``.

        Returns:
            RecBole's metrics, and the ranking; None where nothing is ranked (value metrics such as AUC).
        """
        self.recorder = RankingRecorder(max([length, *self.config["topk"]]), max(self.config["topk"]))
        try:
            result = self.evaluate(eval_data, **kwargs)
            return dict(result or {}), self.recorder.ranking(eval_data._dataset)
        finally:
            self.recorder = None

    def _candidate_limits(self, eval_data: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
        limits = eval_data._dataset.candidate_limits() if eval_data else None
        if limits is None:
            return None
        if not isinstance(eval_data, FullSortEvalDataLoader):
            candidates = self.config["candidates"]
            raise ConfigError(f"candidates: {candidates} ranks all items that it leaves; set eval_args.mode to full")
        users, items = (torch.from_numpy(codes).to(self.device) for codes in limits)
        return users, items

    def _full_sort_batch_eval(self, batched_data: Any) -> Any:
        if self._targets is not None:
            batched_data = with_targets(batched_data, self._targets, self.config["USER_ID_FIELD"])
        if self._unmet_of is not None:
            batched_data = without_met(batched_data, self._unmet_of)
        if self._by_lists:
            return self._batch_by_lists(*batched_data)
        interaction, scores, positive_u, positive_i = super()._full_sort_batch_eval(batched_data)
        user_ids = interaction[self.config["USER_ID_FIELD"]]  # (batch,)
        if self._limits is not None:
            users, items = self._limits
            other = items[None, :] != users[user_ids.to(self.device)][:, None]  # (batch, items)
            scores.masked_fill_(other.to(scores.device), -torch.inf)
        self.eval_collector.collect_users(user_ids)
        if self.recorder is not None:
            self.recorder.add(user_ids, scores, positive_u, positive_i)
        if self._limits is not None or getattr(self.model, "ranks_some_only", False):
            _put_lost_targets_last(scores, positive_u, positive_i)
        return interaction, scores, positive_u, positive_i

    def _batch_by_lists(self, interaction: Any, history: Any, positive_u: Any, positive_i: Any) -> Any:
        queries, user_ids = interaction.to(self.device), interaction[self.config["USER_ID_FIELD"]]
        codes = None
        if self._limits is not None:
            users, items = self._limits
            codes = users[user_ids.to(self.device)], items  # (batch,), (items,)
        self.eval_collector.collect_users(user_ids)
        length = 0 if self.recorder is None else min(self.recorder.length, self.tot_item_num)
        top = retrieve(self.model, (queries, history), max([length, *self.config["topk"]]), codes)
        if self.recorder is not None:
            self.recorder.add_lists(user_ids, top, positive_u, positive_i)
        return interaction, top, positive_u, positive_i

    def _neg_sample_batch_eval(self, batched_data: Any) -> Any:
        interaction, scores, positive_u, positive_i = super()._neg_sample_batch_eval(batched_data)
        if self.config["eval_type"] == EvaluatorType.RANKING:
            user_rows = batched_data[1]  # (rows,), the query of each candidate row
            first = np.unique(np.asarray(user_rows), return_index=True)[1]
            user_ids = interaction[self.config["USER_ID_FIELD"]][torch.from_numpy(first)]
            self.eval_collector.collect_users(user_ids)
            if self.recorder is not None:
                self.recorder.add(user_ids, scores, positive_u, positive_i)
        return interaction, scores, positive_u, positive_i


def _put_lost_targets_last(scores: torch.Tensor, positive_u: Any, positive_i: Any) -> None:
    """Keeps targets that are no candidates out of RecBole's lists, which it fills up with items of score -inf."""
    lost = torch.isneginf(scores[positive_u, positive_i])  # (targets,)
    if lost.any():
        others = torch.isneginf(scores)  # (batch, items)
        others[positive_u[lost.cpu()], positive_i[lost.cpu()]] = False
        scores.masked_fill_(others, torch.finfo(scores.dtype).min)


class _NoSummary:
    """A TensorBoard writer that writes nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


@contextmanager
def _tensorboard_in(folder: str | None, main: bool) -> Iterator[None]:
    """RecBole's trainers write TensorBoard files below the working directory; a run's first process in its folder."""
    stock = recbole_trainer.get_tensorboard
    if not main:
        recbole_trainer.get_tensorboard = lambda logger: _NoSummary()
    elif folder is not None:
        recbole_trainer.get_tensorboard = lambda logger: SummaryWriter(str(Path(folder, "tensorboard")))
    try:
        yield
    finally:
        recbole_trainer.get_tensorboard = stock
