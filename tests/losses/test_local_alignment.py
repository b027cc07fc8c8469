"""Contrast of places and words, on values worked by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import ConfigError
from carina.losses.local_alignment import (
    AveragedWords,
    BestWord,
    SummedWords,
    local_likeness,
    matched,
    paired_maps,
    word_cosines,
    word_maps,
)


def drawn(seed: int, images: int = 3, captions: int = 4) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    places = torch.randn(images, 6, 5, generator=generator)
    words = torch.randn(captions, 4, 5, generator=generator)
    lengths = torch.randint(1, 5, (captions,), generator=generator)
    return places, words, torch.arange(4) < lengths[:, None]


def test_a_map_is_the_value_worked_by_hand() -> None:
    places = torch.tensor([[[math.log(3), 0.0], [0.0, 0.0]]])  # one image, two cells
    words = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # one caption, two words
    counted = torch.ones(1, 2, dtype=torch.bool)
    # Products [log 3, 0] and [0, 0]: the words' shares are [3/4, 1/4] of the first cell and
    # [1/2, 1/2] of the second. Times 4, over the cells: the first word has e^3 against e^2, the
    # second e^1 against e^2. Over the cells first, the first word would have 3/4 of the map.
    share = math.e / (1 + math.e)
    expected = torch.tensor([[[[share, 1 - share], [1 - share, share]]]])
    torch.testing.assert_close(word_maps(places, words, counted, 4.0), expected)


def test_the_only_word_of_a_caption_looks_everywhere_alike() -> None:
    places, words, _ = drawn(0)
    counted = torch.tensor([[True, False, False, False]]).repeat(4, 1)
    maps = word_maps(places, words, counted, 4.0)[:, :, 0]
    torch.testing.assert_close(maps, torch.full_like(maps, 1 / 6))


@given(seed=st.integers(0, 2**31), temperature=st.floats(0.1, 20))
def test_maps_sum_to_one_and_are_bounded(seed: int, temperature: float) -> None:
    places, words, counted = drawn(seed)
    maps = word_maps(100 * places, words, counted, temperature).movedim(0, 2)[counted]
    torch.testing.assert_close(maps.sum(2), torch.ones(maps.shape[:2]))
    assert (maps.amax(2) / maps.amin(2)).max() <= math.exp(temperature) * 1.001


@given(seed=st.integers(0, 2**31))
def test_what_is_not_counted_takes_no_part(seed: int) -> None:
    places, words, counted = drawn(seed)
    other = torch.where(counted[..., None], words, 99.0).requires_grad_()
    likeness = [
        local_likeness(
            *(places, some, counted), temperature=4.0, pooling=SummedWords(), captions_at_once=9
        )
        for some in (words, other)
    ]
    torch.testing.assert_close(likeness[0], likeness[1])
    likeness[1].sum().backward()
    assert other.grad is not None
    assert other.grad[~counted].abs().sum() == 0


@pytest.mark.parametrize("pooling", [SummedWords(), AveragedWords(), BestWord()])
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_captions_in_pieces_give_the_likeness_and_gradient_of_all_at_once(
    pooling: SummedWords | AveragedWords | BestWord, at_once: int
) -> None:
    found = []
    for captions in (9, at_once):
        places, words, counted = drawn(5)
        places, words = (value.double().requires_grad_() for value in (places, words))
        likeness = local_likeness(
            *(places, words, counted), temperature=4.0, pooling=pooling, captions_at_once=captions
        )
        (likeness**2).sum().backward()
        found.append((likeness.detach(), places.grad, words.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_pooling_equals_values_worked_by_hand() -> None:
    cosines = torch.tensor([[[0.2, -0.4, 0.9]]])
    counted = torch.tensor([[True, True, False]])
    summed = math.log(math.exp(1.0) + math.exp(-2.0))
    found = [rule(cosines, counted).item() for rule in (SummedWords(), AveragedWords(), BestWord())]
    assert found == pytest.approx([summed, summed - math.log(2), 1.0])


def test_each_pair_has_the_map_that_all_pairs_have() -> None:
    places, words, counted = drawn(2, images=4)
    everyone = word_maps(places, words, counted, 4.0)
    paired = paired_maps(places, words, counted, 4.0)
    for number in range(4):
        torch.testing.assert_close(paired[number], everyone[number, number])


def test_a_cosine_is_that_of_a_word_and_the_mean_of_places_by_its_map() -> None:
    places, words, counted = drawn(3)
    maps = word_maps(places, words, counted, 4.0)
    found = sum(maps[1, 2, 0, cell] * places[1, cell] for cell in range(6))
    expected = torch.cosine_similarity(found, words[2, 0], dim=0)
    torch.testing.assert_close(word_cosines(places, words, counted, 4.0)[1, 2, 0], expected)


def test_partners_stand_on_a_diagonal_from_the_first() -> None:
    logits = torch.tensor([[0.0, math.log(3), 0.0], [0.0, 0.0, math.log(2)]])
    total, count = matched(logits, first=1)
    assert total.item() == pytest.approx(math.log(5 / 3) + math.log(2))
    assert count.item() == 2


@pytest.mark.parametrize("kind", [SummedWords, AveragedWords, BestWord])
def test_a_temperature_that_turns_likeness_around_is_refused(kind: type) -> None:
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match=r"temperature must be > 0, got"):
            kind(temperature=value)
