"""Requests that wait together are answered together: one call of the model for all of them, in a thread of its own.

Nobody waits for company: while the model is at work on one batch, the next one gathers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from recbole_xlrec.errors import XLRecError

Key = TypeVar("Key", bound=Hashable)
Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Busy(XLRecError):
    """More requests wait than the service takes."""


class _Waiting(NamedTuple, Generic[Key, Question, Answer]):
    key: Key
    question: Question
    answer: asyncio.Future[Answer]


class Batcher(Generic[Key, Question, Answer]):
    """Answers questions in batches of one key.

    Args:
        respond: A key and questions to as many answers; called by one thread at a time.
        most: Questions in a batch.
        waiting: Questions that may wait.
    """

    def __init__(
        self, respond: Callable[[Key, Sequence[Question]], Sequence[Answer]], most: int = 64, waiting: int = 2048
    ) -> None:
        self._respond, self._most, self._limit = respond, most, waiting
        self._queue: list[_Waiting[Key, Question, Answer]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._work: asyncio.Task[None] | None = None

    async def ask(self, key: Key, question: Question) -> Answer:
        """The answer to a question.

        Raises:
            Busy: If too many wait.
        """
        if len(self._queue) >= self._limit:
            raise Busy(f"{self._limit:,} requests wait already; try again in a second")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(key, question, future))
        if self._work is None:
            self._work = asyncio.create_task(self._drain())
        return await future

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._queue:
                batch = self._next()
                answers = await loop.run_in_executor(self._thread, self._answers, batch)
                for waiting, answer in zip(batch, answers, strict=True):
                    _give(waiting.answer, answer)
        finally:
            self._work = None

    def _next(self) -> list[_Waiting[Key, Question, Answer]]:
        """The oldest question and those after it of the same key."""
        self._queue = [waiting for waiting in self._queue if not waiting.answer.cancelled()]
        key = self._queue[0].key if self._queue else None
        batch = [waiting for waiting in self._queue if waiting.key == key][: self._most]
        taken = set(map(id, batch))
        self._queue = [waiting for waiting in self._queue if id(waiting) not in taken]
        return batch

    def _answers(self, batch: Sequence[_Waiting[Key, Question, Answer]]) -> Sequence[Answer | Exception]:
        if not batch:
            return []
        try:
            return self._respond(batch[0].key, [waiting.question for waiting in batch])
        except Exception as error:  # given to whoever asked
            if len(batch) == 1:
                return [error]
        return [answer for waiting in batch for answer in self._answers([waiting])]  # one alone may be at fault


def _give(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if future.cancelled():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
