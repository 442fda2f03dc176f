"""The softmax over the catalogue: sampled losses against the whole one, by enumeration and by simulation."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.softmax import CatalogueSoftmax, gbce_power, log_chances

COUNTS = torch.tensor([0, 50, 30, 10, 5, 3, 1, 1, 1, 1, 1])  # the padding item, then ten


def _softmax(loss: str, negatives: int = 4, **changed: float) -> CatalogueSoftmax:
    return CatalogueSoftmax(loss, COUNTS, int(changed.get("full_items", 100)), negatives, changed.get("t", 0.75))


def test_auto_is_full_for_a_small_catalogue_and_sampled_beyond() -> None:
    assert _softmax("auto", full_items=10).loss == "full"
    assert _softmax("auto", full_items=9).loss == "sampled"


def test_the_full_loss_is_the_cross_entropy_over_all_items_but_padding() -> None:
    scores, targets = torch.randn(6, 11), torch.tensor([1, 2, 3, 1, 10, 7])
    softmax = _softmax("full")
    whole = softmax.candidates(targets)
    assert whole.items is None
    found = softmax(scores, whole.places(targets), whole, 6)
    torch.testing.assert_close(found, F.cross_entropy(scores[:, 1:], targets - 1, reduction="none"))


@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_items_that_training_does_not_know_are_no_negatives(loss: str) -> None:
    counts = COUNTS.clone()
    counts[3] = 0
    softmax = CatalogueSoftmax(loss, counts, 100, 7, 0.75)
    for _ in range(10):
        targets = torch.tensor([1, 2])
        batch = softmax.candidates(targets, torch.tensor([3]))  # one that a history has, say
        scores = torch.zeros(2, 11 if batch.items is None else len(batch.items), requires_grad=True)
        softmax(scores, batch.places(targets), batch, 3).sum().backward()
        assert scores.grad is not None
        assert not scores.grad[:, int(batch.places(torch.tensor(3)))].any()
        assert scores.grad.any(dim=0).sum() > 2


def test_candidates_are_the_items_used_and_as_many_others_as_asked_for() -> None:
    torch.manual_seed(0)
    used = torch.tensor([[3, 0], [7, 3]])
    softmax = _softmax("sampled", negatives=9)
    for _ in range(20):
        found = softmax.candidates(used)
        assert found.items is not None
        assert found.sampled is not None
        assert {0, 3, 7} <= set(found.items.tolist()) <= set(range(11))
        assert found.items.tolist() == sorted(set(found.items.tolist()))
        assert len(found.sampled) == 9
        assert found.items[found.sampled].min() >= 1
        assert found.items[found.places(used)].tolist() == used.tolist()


def test_the_sampled_partition_function_is_that_of_the_whole_catalogue_on_average() -> None:
    """Batches are drawn as training draws them; the mean of exp(loss) times the target's probability tends to 1."""
    torch.manual_seed(0)
    scores = torch.randn(1, 11)
    softmax = _softmax("sampled", negatives=4)
    target = torch.tensor([4])
    whole = scores[0, 1:].exp().sum() / scores[0, 4].exp()
    estimates = []
    for _ in range(6000):
        others = torch.multinomial(COUNTS.double(), 3, replacement=True)
        batch = softmax.candidates(torch.cat([others, target]))
        assert batch.items is not None
        loss = softmax(scores[:, batch.items], batch.places(target), batch, 3)
        estimates.append(loss.exp())
    found = torch.stack(estimates)
    assert float(found.mean()) == pytest.approx(float(whole), abs=4 * float(found.std()) / math.sqrt(6000))


def test_the_chance_to_be_a_candidate_is_that_of_a_simulation() -> None:
    torch.manual_seed(0)
    popularity = COUNTS.double() / COUNTS.sum()
    drawn = torch.zeros(11)
    for _ in range(5000):
        batch = torch.multinomial(popularity, 3, replacement=True)
        uniform = torch.nonzero(torch.rand(11) < 0.3).flatten()
        drawn[torch.unique(torch.cat([batch, uniform]))] += 1
    torch.testing.assert_close(log_chances(popularity, 3, 0.3).exp(), (drawn / 5000).double(), atol=0.025, rtol=0)


def test_gbce_is_bce_with_the_power_of_the_paper_and_leaves_the_target_out_of_the_negatives() -> None:
    softmax = _softmax("gbce", negatives=4, t=0.5)
    # 4 of 10 items: alpha = 0.4, beta = alpha * (t * (1 - 1/alpha) + 1/alpha)
    assert softmax.power == pytest.approx(0.4 * (0.5 * (1 - 2.5) + 2.5))
    assert gbce_power(0.4, 0.0) == pytest.approx(1.0)
    assert gbce_power(0.4, 1.0) == pytest.approx(0.4)
    batch = softmax.candidates(torch.tensor([2]))
    assert batch.items is not None
    assert batch.sampled is not None
    scores = torch.randn(1, len(batch.items))
    place = batch.places(torch.tensor([2]))
    others = [float(scores[0, place]) for place in batch.sampled if int(batch.items[place]) != 2]
    expected = softmax.power * math.log1p(math.exp(-float(scores[0, place])))
    expected += sum(math.log1p(math.exp(score)) for score in others)
    assert float(softmax(scores, place, batch, 1)) == pytest.approx(expected, rel=1e-5)


def test_some_of_the_candidates_have_the_loss_of_all_whose_others_are_masked() -> None:
    torch.manual_seed(0)
    for loss in ("full", "sampled", "gbce"):
        softmax = _softmax(loss, negatives=6)
        batch = softmax.candidates(torch.tensor([1, 4]))
        names = torch.arange(11) if batch.items is None else batch.items
        kept = torch.nonzero(names % 3 != 2)[:, 0]  # the padding item and the targets among them
        part = batch.only(kept)
        scores, targets = torch.randn(2, batch.size), torch.tensor([1, 4])
        masked = scores.index_fill(1, torch.nonzero(names % 3 == 2)[:, 0], -1e30)
        for row_of in (None, torch.tensor([0, 1])):
            found, expected = (
                softmax(values, among.places(targets), among, 2)
                if row_of is None
                else softmax.shared(values, row_of, among.places(targets), among, 2)
                for values, among in ((scores[:, kept], part), (masked, batch))
            )
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("loss", "negatives", "t", "message"),
    [
        ("sampled", 10, 0.5, "from 1 to 9: training knows 10 items"),
        ("gbce", 0, 0.5, "from 1 to 9"),
        ("bpr", 4, 0.5, "one of auto, full, sampled, gbce"),
        ("gbce", 4, 1.5, "gbce_calibration"),
    ],
)
def test_settings_that_make_no_sense_are_refused(loss: str, negatives: int, t: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _softmax(loss, negatives, t=t)


@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_targets_that_share_a_row_have_the_loss_of_targets_with_equal_rows(loss: str) -> None:
    torch.manual_seed(0)
    counts = COUNTS.clone()
    counts[8] = 0  # training does not know it
    softmax = CatalogueSoftmax(loss, counts, 100, 6, 0.75)
    users, items = torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([1, 2, 9, 2, 7, 10])
    weights = torch.rand(6)
    for _ in range(10):
        batch = softmax.candidates(items)
        shared = 5 * torch.randn(3, 11 if batch.items is None else len(batch.items))
        shared.requires_grad_()
        found = softmax.shared(shared, users, batch.places(items), batch, 6)
        own = shared.detach()[users].requires_grad_()
        wanted = softmax(own, batch.places(items), batch, 6)
        torch.testing.assert_close(found, wanted)
        (found * weights).sum().backward()
        (wanted * weights).sum().backward()
        assert shared.grad is not None
        assert own.grad is not None
        torch.testing.assert_close(shared.grad, torch.zeros_like(shared).index_add_(0, users, own.grad))
