"""Questions that wait together are answered together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

pytest.importorskip("fastapi")
from recbole_xlrec.serving.service.batching import Batcher, Busy


class _Model:
    """Doubles numbers; remembers its batches, and can be held up."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.go = threading.Event()

    def __call__(self, key: str, questions: Sequence[int]) -> list[int]:
        self.go.wait(5)
        self.batches.append((key, list(questions)))
        if 13 in questions:
            raise ValueError("13")
        return [2 * question for question in questions]


async def _ask(batcher: Batcher[str, int, int], model: _Model, asked: list[tuple[str, int]]) -> list[object]:
    tasks = [asyncio.create_task(batcher.ask(*each)) for each in asked]
    await asyncio.sleep(0.05)  # the first is at work, the others wait
    model.go.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_gathers_behind_a_batch_is_the_next_one_by_key() -> None:
    model = _Model()
    asked = [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)]
    assert asyncio.run(_ask(Batcher(model), model, asked)) == [2, 4, 6, 8, 10]
    assert sorted(model.batches[1:]) in ([("a", [2, 4]), ("b", [3, 5])], [("b", [3, 5])])
    assert sum(len(batch) for _, batch in model.batches) == 5


def test_a_batch_has_a_largest_size() -> None:
    model = _Model()
    found = asyncio.run(_ask(Batcher(model, most=3), model, [("a", number) for number in range(10)]))
    assert found == [2 * number for number in range(10)]
    assert max(len(batch) for _, batch in model.batches) == 3


def test_a_question_that_fails_fails_alone() -> None:
    model = _Model()
    found = asyncio.run(_ask(Batcher(model), model, [("a", 1), ("a", 2), ("a", 13), ("a", 4)]))
    assert [found[0], found[1], found[3]] == [2, 4, 8]
    assert isinstance(found[2], ValueError)


def test_more_than_may_wait_are_sent_away() -> None:
    model = _Model()
    found = asyncio.run(_ask(Batcher(model, waiting=2), model, [("a", number) for number in range(5)]))
    assert [each for each in found if not isinstance(each, Busy)]
    assert all("try again" in str(each) for each in found if isinstance(each, Busy))
    assert any(isinstance(each, Busy) for each in found)


def test_one_who_has_gone_away_holds_up_nobody() -> None:
    model = _Model()

    async def leave() -> list[object]:
        batcher: Batcher[str, int, int] = Batcher(model)
        tasks = [asyncio.create_task(batcher.ask("a", number)) for number in range(4)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()
        tasks[2].cancel()
        model.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(leave())
    assert [found[1], found[3]] == [2, 6]
