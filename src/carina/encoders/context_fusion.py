"""How what is seen comes to the words: ECAMP's multi-scale context fusion, and MRM's addition.

Source: Wang et al., arXiv:2312.13316, section 3.4 and Fig. 3, in the details of the published
code: no output projection after the cross-attention, a perceptron at the end. Each way is a class.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from carina.encoders.bert import AddAndNorm, Attention, AttentionBlock, BertSizes, Widening
from carina.errors import ModelError


class GlobalContext(nn.Module):
    """The mean of all patches through a linear layer, the same for every word."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.mean = nn.Linear(sizes.width, sizes.width)

    def forward(
        self,
        text: Float[Tensor, "batch tokens width"],
        patches: Float[Tensor, "batch patches width"],
    ) -> Float[Tensor, "batch 1 width"]:
        """One vector an image."""
        context: Tensor = self.mean(patches.mean(1, keepdim=True))
        return context


class BothContexts(nn.Module):
    """What each word sees, and the mean of all patches."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.local = Attention(sizes)
        self.whole = GlobalContext(sizes)

    def forward(
        self,
        text: Float[Tensor, "batch tokens width"],
        patches: Float[Tensor, "batch patches width"],
    ) -> Float[Tensor, "batch tokens width"]:
        """Their sum."""
        context: Tensor = self.local(text, patches) + self.whole(text, patches)
        return context


class ContextFusion(nn.Module):
    """Words look at one another, then what is seen is added to them.

    `attention`, `output` and the like are the parts of a BERT layer under its names.
    """

    def __init__(self, sizes: BertSizes, context: nn.Module) -> None:
        super().__init__()
        self.attention = AttentionBlock(sizes)
        self.context = context
        self.out_layer = AddAndNorm(sizes.width, sizes)
        self.intermediate = Widening(sizes)
        self.output = AddAndNorm(sizes.hidden, sizes)

    def forward(
        self,
        words: Float[Tensor, "batch tokens width"],
        seen: Bool[Tensor, "batch 1 1 tokens"],
        patches: Float[Tensor, "batch patches width"],
    ) -> Float[Tensor, "batch tokens width"]:
        """Embedded words with what is seen.

        Args:
            words: of `Embeddings`.
            seen: which tokens are words and no padding.
            patches: of the image, at the width of the words, in any order.
        """
        text = self.read(words, seen)
        return self._added(self.context(text, patches), text)

    def words_alone(
        self,
        words: Float[Tensor, "batch tokens width"],
        seen: Bool[Tensor, "batch 1 1 tokens"],
    ) -> Float[Tensor, "batch tokens width"]:
        """The same where nothing is seen: what would be added is 0."""
        text = self.read(words, seen)
        return self._added(torch.zeros_like(text), text)

    def read(
        self,
        words: Float[Tensor, "batch tokens width"],
        seen: Bool[Tensor, "batch 1 1 tokens"],
    ) -> Float[Tensor, "batch tokens width"]:
        """Words that have looked at one another, and at no image yet."""
        text: Tensor = self.attention(words, seen)
        return text

    def _added(
        self,
        context: Float[Tensor, "batch _ width"],
        text: Float[Tensor, "batch tokens width"],
    ) -> Float[Tensor, "batch tokens width"]:
        fused = self.out_layer(context, text)
        changed: Tensor = self.output(self.intermediate(fused), fused)
        return changed

    @property
    def sees_places(self) -> bool:
        """Whether words look at places, and not at the whole alone."""
        return any(isinstance(part, Attention) for part in self.context.modules())

    @property
    def local(self) -> Attention:
        """The part that looks at places.

        Raises:
            ModelError: there is none.
        """
        found = [part for part in self.context.modules() if isinstance(part, Attention)]
        if not found:
            raise ModelError(
                "This model's words see the mean of the image and no places: it has no maps of "
                "where they look. Ask one whose fusion has a local part."
            )
        return found[0]


class MeanAddition(nn.Module):
    """The mean of all patches is added to the embedded words, which is all: MRM."""

    def forward(
        self,
        words: Float[Tensor, "batch tokens width"],
        seen: Bool[Tensor, "batch 1 1 tokens"],
        patches: Float[Tensor, "batch patches width"],
    ) -> Float[Tensor, "batch tokens width"]:
        """See `ContextFusion`."""
        return words + patches.mean(1, keepdim=True)

    def words_alone(
        self,
        words: Float[Tensor, "batch tokens width"],
        seen: Bool[Tensor, "batch 1 1 tokens"],
    ) -> Float[Tensor, "batch tokens width"]:
        """The words as they are."""
        return words

    def read(
        self,
        words: Float[Tensor, "batch tokens width"],
        seen: Bool[Tensor, "batch 1 1 tokens"],
    ) -> Float[Tensor, "batch tokens width"]:
        """The words as they are."""
        return words

    @property
    def sees_places(self) -> bool:
        """No."""
        return False

    @property
    def local(self) -> Attention:
        """There is none.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            "This model adds the mean of the image to its words: it has no maps of where they "
            "look. Ask one whose fusion has a local part."
        )


@dataclass(frozen=True, kw_only=True)
class GlobalAndLocal:
    """Words see places and the whole: ECAMP."""

    def build(self, sizes: BertSizes) -> ContextFusion:
        """A fusion with fresh weights."""
        return ContextFusion(sizes, BothContexts(sizes))


@dataclass(frozen=True, kw_only=True)
class GlobalOnly:
    """Words see the whole: an ablation of ECAMP's Table 4."""

    def build(self, sizes: BertSizes) -> ContextFusion:
        """A fusion with fresh weights."""
        return ContextFusion(sizes, GlobalContext(sizes))


@dataclass(frozen=True, kw_only=True)
class LocalOnly:
    """Words see places: an ablation of ECAMP's Table 4."""

    def build(self, sizes: BertSizes) -> ContextFusion:
        """A fusion with fresh weights."""
        return ContextFusion(sizes, Attention(sizes))


@dataclass(frozen=True, kw_only=True)
class AddedMean:
    """The whole is added to the embedded words: MRM.

    Source: Zhou et al., ICLR 2023, as Wang et al. tell of it (arXiv:2312.13316, section 3.4).
    """

    def build(self, sizes: BertSizes) -> MeanAddition:
        """A fusion, which has no weights."""
        return MeanAddition()


Fusion = GlobalAndLocal | GlobalOnly | LocalOnly | AddedMean
