"""Stage 1 of KAD: a text encoder learns a knowledge graph by contrast between texts.

Two texts about one concept (name and definition, say) are drawn together, texts about different
ones apart. What is handed on is the text encoder; stage 2 asks radiographs in its language.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.knowledge.pairs import AppearancePairs, OfficialPairs, PaperPairs
from carina.pretraining.knowledge_batches import KnowledgeBatch, KnowledgeBatches, Noise, NoNoise
from carina.pretraining.knowledge_contrast import Contrast, PaperContrast
from carina.pretraining.similarity import SimilarityMap
from carina.pretraining.stage import PreparedStage, StageInputs
from carina.pretraining.text_source import BertText
from carina.training.distributed import gather_rows
from carina.training.objective import Losses
from carina.training.settings import TrainingSettings


class KnowledgeObjective(nn.Module):
    """The contrast of stage 1 over the global batch."""

    def __init__(self, encoder: TextEncoder, loss: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.contrast = loss

    def losses(self, batch: KnowledgeBatch) -> Losses:
        """One term, `knowledge`, in float32 whatever the precision around it.

        Every process computes the loss of the whole batch, so sum and count are both as many
        times too large as there are processes, and their ratio is right.
        """
        texts = torch.cat([self.encoder(tokens) for tokens in batch.pieces])[batch.places]
        with torch.autocast(texts.device.type, enabled=False):
            wide = texts.to(torch.promote_types(texts.dtype, torch.float32))
            first, second = (gather_rows(side) for side in wide.chunk(2))
            return {"knowledge": self.contrast(first, second, batch.likeness)}


@dataclass(frozen=True, kw_only=True)
class KnowledgeStage:
    """Stage 1: trains a text encoder on the concept graph; hands on a `TextEncoder`.

    `encoder` is what is built, `text` where its weights and its vocabulary come from.
    """

    name: str = "knowledge"
    training: TrainingSettings
    encoder: TextEncoderConfig = TextEncoderConfig()
    text: BertText = BertText()
    pairs: PaperPairs | OfficialPairs | AppearancePairs = PaperPairs()
    contrast: Contrast = PaperContrast()
    noise: Noise = NoNoise()

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds encoder, objective and batches.

        Raises:
            KnowledgeError: the graph has nothing for these pairs.
        """
        sampler = self.pairs.sampler(inputs.graph)
        encoder = self.text.build(self.encoder, inputs)
        batches = KnowledgeBatches(
            sampler,
            encoder,
            self.contrast.likeness(inputs.graph),
            self.noise,
            self.training.batch_size,
            inputs.seed,
        )
        similarity = SimilarityMap.of(inputs.graph)
        before = similarity.measured(encoder)
        return PreparedStage(
            objective=KnowledgeObjective(encoder, self.contrast.loss()),
            batches=batches,
            trained=encoder,
            finish=functools.partial(_draw, similarity, encoder, before),
        )


def _draw(
    similarity: SimilarityMap, encoder: TextEncoder, before: NDArray[np.float32], folder: Path
) -> None:
    similarity.draw(before, similarity.measured(encoder), folder)
