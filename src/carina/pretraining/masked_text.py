"""Texts for masked language modelling: a report, what was distilled of it, and what is masked.

All texts are read into flat arrays once; a batch is composed, masked and weighed from these for
all its rows together. It is a function of the seed, the step and the places alone.

Source: ECAMP (Wang et al., arXiv:2312.13316), section 3.2; each choice comes as the paper has it
and as its published code does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from carina.errors import ConfigError
from carina.pretraining.text_composition import (
    SLICES,
    Concatenated,
    Inserted,
    ReportAlone,
    TrainingText,
)
from carina.pretraining.text_marks import Ids, Marked, TokenMarks, WordMarks
from carina.pretraining.text_masking import DescriptorsAlways, DescriptorsNever, Draws, EveryWord
from carina.pretraining.text_table import TokenTable, special
from carina.pretraining.text_weights import EvenWeights, PhraseWeights, RebalancedWeights


@dataclass(frozen=True, kw_only=True)
class MaskedTextConfig:
    """How a text is composed, marked, masked and weighed. Defaults are the paper's.

    `length` is the most tokens of a text, [CLS] included: the rest is cut. With `padded` every
    batch is `length` wide, for a loss over all positions; otherwise as wide as its longest text.
    """

    length: int = 256
    padded: bool = False
    composition: Concatenated | Inserted | ReportAlone = Concatenated()
    marks: WordMarks | TokenMarks = WordMarks()
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
        self, tokenizer: Tokenizer, texts: Sequence[TrainingText], config: MaskedTextConfig
    ) -> None:
        """Reads the texts.

        Args:
            tokenizer: WordPiece, with [PAD], [CLS] and [MASK].
            texts: one a row; equal ones are read once.
            config: how texts are composed, marked, masked and weighed.

        Raises:
            ModelError: the tokenizer lacks a special token.
        """
        self.config = config
        self._mask = int(special(tokenizer, "[MASK]")[0])
        self._marks = config.marks.reader(tokenizer)
        self._continues = continuing(tokenizer)
        numbers: dict[TrainingText, int] = {}
        rows = [numbers.setdefault(text, len(numbers)) for text in texts]
        self._text_of_row = np.array(rows, dtype=np.int64)
        ways = [config.composition.ways(text) for text in numbers]
        composed = [[*way.drawn, way.otherwise] for way in ways]
        strings = dict.fromkeys(s.text for one in composed for slices in one for s in slices)
        self._table = TokenTable(tokenizer, tuple(strings), self._marks)
        self._probability = np.array([way.probability for way in ways])
        counts = np.array([len(one) for one in composed], dtype=np.int64)
        self._last = np.cumsum(counts) - 1  # the way that is taken otherwise
        self._drawn = counts - 1
        places = [self._table.places(slices) for one in composed for slices in one]
        self._slices = np.array(places, dtype=np.int64).reshape(-1, SLICES, 2)
        self._table.settle()

    def __len__(self) -> int:
        return len(self._text_of_row)

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
        draws = np.stack([self._draws(seed, step, place) for place in places])
        marked = self._marked(self._composed(rows.cpu().numpy(), draws[:, 0, :2]))
        width = marked.ids.shape[1]
        return self._masked(marked, draws[:, 1, :width], draws[:, 2, :width])

    def _draws(self, seed: int, step: int, place: int) -> Draws:
        """Numbers in [0, 1) of a row of a global batch: for the composition, words and entities.

        The raw stream of a named bit generator is the same in every version of NumPy.
        """
        key = np.array([seed, step], dtype=np.uint64)
        generator = np.random.Philox(key=key, counter=[0, place, 0, 4])
        raw = generator.random_raw(3 * self.config.length)
        return np.asarray((raw >> np.uint64(11)) * 2.0**-53).reshape(3, self.config.length)

    def _composed(self, rows: Ids, draws: Draws) -> Ids:
        """Of each row its slices: first token and number of tokens (texts, 3, 2)."""
        texts = self._text_of_row[rows]
        taken = (draws[:, 1] * self._drawn[texts]).astype(np.int64)
        inserted = draws[:, 0] < self._probability[texts]
        return self._slices[self._last[texts] - np.where(inserted, self._drawn[texts] - taken, 0)]

    def _marked(self, slices: Ids) -> Marked:
        """The texts made of slices, cut at the limit, with what each token is."""
        ends = slices[:, :, 1].cumsum(axis=1)
        limit = self.config.length
        width = limit if self.config.padded else min(limit, 1 + int(ends[:, -1].max()))
        place = np.arange(width - 1)[None]
        index = place + slices[:, 0, :1]
        for number in range(1, SLICES):
            passed = ends[:, number - 1, None]
            index = np.where(place < passed, index, place - passed + slices[:, number, :1])
        index = np.where(place < ends[:, -1:], index, 0)  # [PAD]
        index = np.concatenate([np.ones((len(index), 1), dtype=np.int64), index], axis=1)  # [CLS]
        ids = self._table.ids[index].astype(np.int64)
        entities, descriptors, denied = self._marks.of_batch(ids, self._table.bits[index])
        firsts = np.where(self._continues[ids], 0, np.arange(width)[None])
        return Marked(
            ids=ids,
            present=index > 0,
            starts=np.maximum.accumulate(firsts, axis=1),
            entities=entities,
            descriptors=descriptors,
            denied=denied,
            limit=limit,
        )

    def _masked(self, marked: Marked, words: Draws, entities: Draws) -> MaskedTextBatch:
        chosen = self.config.masking.chosen(marked, words, entities)
        return MaskedTextBatch(
            ids=torch.from_numpy(np.where(chosen, self._mask, marked.ids)),
            originals=torch.from_numpy(marked.ids),
            attention=torch.from_numpy(marked.present.astype(np.int64)),
            weights=torch.from_numpy(self.config.weights.weigh(marked)),
            chosen=torch.from_numpy(chosen),
        )


def continuing(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Which pieces of a vocabulary go on with a word."""
    continues = np.zeros(tokenizer.get_vocab_size(), dtype=bool)
    numbers = [n for piece, n in tokenizer.get_vocab().items() if piece.startswith("##")]
    continues[numbers] = True
    return continues
