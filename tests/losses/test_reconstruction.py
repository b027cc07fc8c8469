import pytest
import torch

from carina.losses.reconstruction import normalised, patches_of, reconstruction_loss


def test_patches_run_by_row_column_and_channel() -> None:
    picture = torch.arange(2 * 4 * 4).float().reshape(1, 2, 4, 4)  # channel, row, column
    patches = patches_of(picture, 2)
    assert patches.shape == (1, 4, 8)
    # The second patch lies to the right of the first: rows 0 and 1, columns 2 and 3.
    assert patches[0, 1].tolist() == [2, 18, 3, 19, 6, 22, 7, 23]


def test_only_removed_patches_count() -> None:
    target = torch.zeros(1, 3, 2)
    guessed = torch.tensor([[[9.0, 9.0], [1.0, 3.0], [2.0, 0.0]]])
    # (1 + 9) / 2 = 5 and (4 + 0) / 2 = 2; the first patch was seen.
    total, count = reconstruction_loss(guessed, target, torch.tensor([[0.0, 1.0, 1.0]]))
    assert (total.item(), count.item()) == pytest.approx((7.0, 2.0))


def test_a_batch_of_no_removed_patch_gives_nothing_of_nothing() -> None:
    total, count = reconstruction_loss(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), torch.zeros(1, 2))
    assert (total.item(), count.item()) == (0.0, 0.0)


def test_normalised_patches_have_the_unbiased_deviation() -> None:
    # Mean 2, unbiased variance (1 + 0 + 1) / 2 = 1.
    found = normalised(torch.tensor([[[1.0, 2.0, 3.0]]]))
    torch.testing.assert_close(found, torch.tensor([[[-1.0, 0.0, 1.0]]]), atol=1e-5, rtol=0)
