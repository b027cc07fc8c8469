"""Texts for masked language modelling: a report, what was distilled of it, and what is masked.

All texts are read into flat arrays once; a batch is composed, masked and weighed from these for
all its rows together. It is a function of the seed, the step and the places alone.

Source: ECAMP (Wang et al., arXiv:2312.13316), section 3.2; each choice comes as the paper has it
and as its published code does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer
from torch import Tensor

from carina.errors import ConfigError
from carina.pretraining.text_composition import Concatenated, Inserted, ReportAlone
from carina.pretraining.text_masking import DescriptorsAlways, DescriptorsNever, EveryWord
from carina.pretraining.text_weights import EvenWeights, PhraseWeights, RebalancedWeights


@dataclass(frozen=True, kw_only=True)
class ReportText:
    """A report's words as they are trained on, and what was distilled of it; either may be ""."""

    report: str
    distilled: str = ""


@dataclass(frozen=True, kw_only=True)
class MaskedTextConfig:
    """How a text is composed, masked and weighed. Defaults are the paper's.

    `length` is the most tokens of a text, [CLS] included: the rest is cut. With `padded` every
    batch is `length` wide, for a loss over all positions; otherwise as wide as its longest text.
    """

    length: int = 256
    padded: bool = False
    composition: Concatenated | Inserted | ReportAlone = Concatenated()
    masking: DescriptorsAlways | DescriptorsNever | EveryWord = DescriptorsAlways()
    weights: RebalancedWeights | PhraseWeights | EvenWeights = RebalancedWeights()

    def __post_init__(self) -> None:
        """Checks the length."""
        if self.length < 3:
            raise ConfigError(f"length of a masked text must be at least 3, got {self.length}.")


@dataclass(frozen=True, kw_only=True)
class MaskedTextBatch:
    """One process's share of a global batch of texts.

    Attributes:
        ids: what the model sees: [MASK] where `chosen`, [PAD] behind the text.
        originals: the ids before masking.
        attention: 1 where a token is, 0 where there is padding.
        weights: what each position is worth in the loss, padding included.
        chosen: the tokens that are masked.
    """

    ids: Int[Tensor, "texts tokens"]
    originals: Int[Tensor, "texts tokens"]
    attention: Int[Tensor, "texts tokens"]
    weights: Float[Tensor, "texts tokens"]
    chosen: Bool[Tensor, "texts tokens"]

    def to(self, device: torch.device) -> "MaskedTextBatch":
        """Copies the tensors to a device."""
        return replace(
            self,
            ids=self.ids.to(device, non_blocking=True),
            originals=self.originals.to(device, non_blocking=True),
            attention=self.attention.to(device, non_blocking=True),
            weights=self.weights.to(device, non_blocking=True),
            chosen=self.chosen.to(device, non_blocking=True),
        )


class MaskedTexts:
    """All training texts, read once, from which batches are made."""

    def __init__(
        self, tokenizer: Tokenizer, texts: Sequence[ReportText], config: MaskedTextConfig
    ) -> None:
        """Reads the texts.

        Args:
            tokenizer: WordPiece, with [PAD], [CLS] and [MASK].
            texts: one a row; equal texts are read once.
            config: how texts are composed, masked and weighed.
        """
        self.config = config

    def of(
        self, rows: Int[Tensor, " texts"], places: Sequence[int], *, seed: int, step: int
    ) -> MaskedTextBatch:
        """The masked texts of some rows.

        Args:
            rows: which texts, counted from 0.
            places: the row of the global batch that each of them is.
            seed: of the run.
            step: counted from 0.
        """
        raise AssertionError
