"""A BERT that fills in the masked words of a report by what it sees in the radiograph: ECAMP's."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from carina.encoders.bert import NORM_EPSILON, BertSizes, Embeddings, Layers
from carina.encoders.context_fusion import Fusion, GlobalAndLocal
from carina.encoders.masked_vit import draw_xavier
from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class MaskedLanguageConfig:
    """Settings of the reader and writer of masked reports. Defaults are ECAMP's published code's.

    `max_tokens` is the longest text that is read, special tokens included: the rest is cut.
    """

    vocabulary: int = 30_000
    width: int = 768
    layers: int = 6
    heads: int = 6
    hidden: int = 1536
    positions: int = 256
    max_tokens: int = 256
    dropout: float = 0.1
    fusion: Fusion = GlobalAndLocal()

    def __post_init__(self) -> None:
        """Checks that the layers can be built and that texts fit."""
        if min(*self.sizes.counts) < 1:
            raise ConfigError(f"Every size of a language model must be at least 1, got {self}.")
        self.sizes.check(self.max_tokens)

    @property
    def sizes(self) -> BertSizes:
        """What its BERT is built of."""
        return BertSizes.of(self)


class WordHead(nn.Module):
    """Says which word of the vocabulary a token is; its matrix is not that of the embeddings."""

    def __init__(self, sizes: BertSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(sizes.width, sizes.width)
        self.norm = nn.LayerNorm(sizes.width, eps=NORM_EPSILON)
        self.decoder = nn.Linear(sizes.width, sizes.vocabulary)

    def forward(self, tokens: Float[Tensor, "words width"]) -> Float[Tensor, "words vocabulary"]:
        """Logits of any tokens that are asked about, and of no others."""
        logits: Tensor = self.decoder(self.norm(F.gelu(self.dense(tokens))))
        return logits


class MaskedLanguageModel(nn.Module):
    """Embeds words, lets them look at the image, and reads them on; parts have BERT's names."""

    def __init__(self, config: MaskedLanguageConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.sizes
        self.embeddings = Embeddings(sizes)
        self.fusion = config.fusion.build(sizes)
        self.encoder = Layers(sizes)
        self.head = WordHead(sizes)
        self.embeddings.draw()
        draw_xavier(self.modules())

    def forward(
        self,
        ids: Int[Tensor, "batch tokens"],
        mask: Int[Tensor, "batch tokens"],
        patches: Float[Tensor, "batch patches width"],
    ) -> Float[Tensor, "batch tokens width"]:
        """Each token of texts after the last layer; padding's mean nothing.

        Args:
            ids: token ids, masked ones replaced.
            mask: 1 where a token is, 0 where padding is; each text has at least one token.
            patches: of each image, at the width of the words, in any order.
        """
        seen = mask.bool()[:, None, None]
        hidden: Tensor = self.encoder(self.fusion(self.embeddings(ids), seen, patches), seen)
        return hidden

    def words_alone(
        self, ids: Int[Tensor, "batch tokens"], mask: Int[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens width"]:
        """The same for texts without an image: nothing is seen."""
        seen = mask.bool()[:, None, None]
        hidden: Tensor = self.encoder(self.fusion.words_alone(self.embeddings(ids), seen), seen)
        return hidden

    def queries(
        self, ids: Int[Tensor, "batch tokens"], mask: Int[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens width"]:
        """What each word looks for in an image.

        Raises:
            ModelError: the fusion has no local part.
        """
        query = self.fusion.local.query
        read = self.fusion.read(self.embeddings(ids), mask.bool()[:, None, None])
        queries: Tensor = query(read)
        return queries
