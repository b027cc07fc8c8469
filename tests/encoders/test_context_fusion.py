"""How what is seen comes to the words, in limit cases."""

import pytest
import torch
from torch import Tensor

from carina.encoders.bert import BertSizes
from carina.encoders.context_fusion import (
    AddedMean,
    ContextFusion,
    GlobalAndLocal,
    GlobalOnly,
    LocalOnly,
)
from carina.encoders.masked_language import MaskedLanguageConfig, MaskedLanguageModel
from carina.errors import ConfigError, ModelError

SIZES = BertSizes(vocabulary=20, width=8, layers=1, heads=2, hidden=12, positions=6, dropout=0.0)
SEEN = torch.tensor([[True, True, True], [True, True, False]])[:, None, None]


def words_and_patches() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 8, generator=generator), torch.randn(2, 5, 8, generator=generator)


@torch.no_grad()
@pytest.mark.parametrize("scales", [GlobalAndLocal(), GlobalOnly(), LocalOnly(), AddedMean()])
def test_the_order_of_the_patches_does_not_matter(scales) -> None:
    words, patches = words_and_patches()
    fusion = scales.build(SIZES)
    torch.testing.assert_close(
        fusion(words, SEEN, patches), fusion(words, SEEN, patches[:, [3, 1, 4, 0, 2]])
    )


@torch.no_grad()
def test_both_scales_are_the_sum_of_each() -> None:
    words, patches = words_and_patches()
    context = GlobalAndLocal().build(SIZES).context
    both = context.local(words, patches) + context.whole(words, patches)
    torch.testing.assert_close(context(words, patches), both)
    mean = patches.mean(1, keepdim=True) @ context.whole.mean.weight.T + context.whole.mean.bias
    torch.testing.assert_close(context.whole(words, patches), mean)


@torch.no_grad()
def test_each_word_pays_attention_that_adds_up_to_one_and_gives_what_it_sees() -> None:
    words, patches = words_and_patches()
    local = LocalOnly().build(SIZES).local
    weights = local.weights(words, patches)
    assert weights.shape == (2, 2, 3, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 3))
    values = local.value(patches).unflatten(-1, (2, 4)).transpose(1, 2)
    seen = (weights @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(local(words, patches), seen)


@torch.no_grad()
def test_words_alone_are_words_that_see_nothing() -> None:
    words, patches = words_and_patches()
    fusion = GlobalAndLocal().build(SIZES)
    for parameter in fusion.context.parameters():
        parameter.zero_()
    torch.testing.assert_close(fusion.words_alone(words, SEEN), fusion(words, SEEN, patches))


@torch.no_grad()
def test_mrm_adds_the_mean_to_the_words() -> None:
    words, patches = words_and_patches()
    fusion = AddedMean().build(SIZES)
    torch.testing.assert_close(fusion(words, SEEN, patches), words + patches.mean(1)[:, None])
    assert torch.equal(fusion.words_alone(words, SEEN), words)
    assert torch.equal(fusion.read(words, SEEN), words)
    assert not [*fusion.parameters()]


def test_a_fusion_that_sees_no_places_has_no_maps() -> None:
    assert isinstance(GlobalOnly().build(SIZES), ContextFusion)
    with pytest.raises(ModelError, match="see the mean of the image and no places"):
        _ = GlobalOnly().build(SIZES).local
    with pytest.raises(ModelError, match="adds the mean of the image to its words"):
        _ = AddedMean().build(SIZES).local


@torch.no_grad()
def test_padding_changes_nothing_for_the_words() -> None:
    config = MaskedLanguageConfig(
        vocabulary=20, width=8, layers=2, heads=2, hidden=12, positions=6, max_tokens=6
    )
    model = MaskedLanguageModel(config).eval()
    _, patches = words_and_patches()
    ids = torch.tensor([[2, 7, 9, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    padded = model(ids, mask, patches[:1])[:, :3]
    torch.testing.assert_close(padded, model(ids[:, :3], mask[:, :3], patches[:1]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "Every size of a language model"),
        ({"heads": 5}, "must divide width"),
        ({"max_tokens": 2}, "between 3 and positions"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MaskedLanguageConfig(**settings)
