"""What else a user consumed, by ids: without the item that is asked about, whoever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recbole_xlrec.model.user_profiles import IdProfiles

#: Users 1 and 2 consumed something, user 3 one item, user 0, the padding, nothing; item 4 is in no training row.
HISTORIES = [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 0]]
MET = np.array([False, True, True, True, False])


@pytest.fixture
def profiles() -> IdProfiles:
    torch.manual_seed(0)
    return IdProfiles(sp.csr_matrix(np.array(HISTORIES, dtype=np.float32)), MET, 3)


def _found(profiles: IdProfiles, *pairs: tuple[int, int]) -> torch.Tensor:
    users, items = torch.tensor(pairs).T
    return profiles(users, items)


def test_a_profile_is_the_mean_of_the_other_items_and_stands_beside_its_product_with_the_item(
    profiles: IdProfiles,
) -> None:
    consumed, asked = profiles.as_consumed.weight, profiles.as_asked.weight
    found = _found(profiles, (1, 2), (2, 3))
    torch.testing.assert_close(found[0, :3], (consumed[1] + consumed[3]) / 2)  # not item 2 itself
    torch.testing.assert_close(found[0, 3:], (consumed[1] + consumed[3]) / 2 * asked[2])
    torch.testing.assert_close(found[1, :3], consumed[2] / 2)  # item 4, which training never met, adds nothing


def test_nobody_and_a_history_of_the_asked_item_alone_have_none(profiles: IdProfiles) -> None:
    torch.testing.assert_close(_found(profiles, (0, 1), (3, 1)), torch.zeros(2, 6))


def test_an_item_that_training_never_met_has_no_product(profiles: IdProfiles) -> None:
    found = _found(profiles, (1, 4))
    assert found[0, :3].any()
    assert not found[0, 3:].any()


def test_a_row_does_not_depend_on_its_batch(profiles: IdProfiles) -> None:
    pairs = [(1, 2), (3, 2), (1, 1), (0, 3), (2, 2)]
    together = _found(profiles, *pairs)
    for row, pair in enumerate(pairs):
        torch.testing.assert_close(together[row], _found(profiles, pair)[0])
