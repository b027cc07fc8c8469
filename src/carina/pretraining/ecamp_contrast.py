"""ECAMP that answers: what it sees and what reports say meet in one space.

Ours: the paper's conclusion names the lack of it. The reader of masked reports reads whole texts
without an image, and its first token is contrasted with the mean of the patches (MaCo's contrast).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.masked_vit import MaskedViT, draw_xavier
from carina.encoders.modes import evaluating
from carina.encoders.tokens import Tokens, warn_of_cut
from carina.errors import ConfigError
from carina.imaging.preprocessing import Preprocessing
from carina.pretraining.ecamp import ECAMPConfig, ECAMPModel
from carina.pretraining.learnt_temperature import LearntScale, LearntTemperature
from carina.zeroshot.prompts import PROMPT_SETS, PromptSet, encode_prompts
from carina.zeroshot.protocol import Answers, EncodedPhrases, EncodedQueries, Query

TEXTS_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class ECAMPContrastConfig:
    """Settings of an ECAMP model with contrast.

    `dim` is the length of the vectors that are compared.
    """

    ecamp: ECAMPConfig = field(default_factory=ECAMPConfig)
    dim: int = 768
    scale: LearntScale | LearntTemperature = LearntTemperature()
    prompts: PromptSet = PROMPT_SETS["there-is"]

    def __post_init__(self) -> None:
        """Checks the length."""
        if self.dim < 1:
            raise ConfigError(f"dim must be at least 1, got {self.dim}.")


class ECAMPContrastModel(nn.Module):
    """An ECAMP model that compares radiographs with texts.

    Fulfils `ZeroShotModel`, `PromptedModel` and `ImageTextModel`, and `PhraseGrounder` where the
    fusion has a local part.

    Attributes:
        prompts: the words of a query; the config's, until others are chosen.
    """

    def __init__(self, config: ECAMPContrastConfig, ecamp: ECAMPModel) -> None:
        super().__init__()
        self.config = config
        self.ecamp = ecamp
        self.of_image = nn.Linear(config.ecamp.image.vit.dim, config.dim)
        self.of_text = nn.Linear(config.ecamp.language.width, config.dim)
        self.scale = nn.Parameter(torch.tensor(config.scale.first()))
        self.prompts = config.prompts
        draw_xavier([self.of_image, self.of_text])

    @classmethod
    def from_config(cls, config: ECAMPContrastConfig, tokenizer: Tokenizer) -> "ECAMPContrastModel":
        """A model with fresh weights."""
        return cls(config, ECAMPModel(config.ecamp, tokenizer))

    @property
    def image_encoder(self) -> MaskedViT:
        """What fine-tuning begins with."""
        return self.ecamp.image_encoder

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image side wants."""
        return self.config.ecamp.preprocessing

    @property
    def tokenizer(self) -> Tokenizer:
        """The language model's tokenizer."""
        return self.ecamp.tokenizer

    @property
    def max_tokens(self) -> int:
        """The longest text that is read, special tokens included."""
        return self.ecamp.max_tokens

    def image_vectors(self, pooled: Float[Tensor, "batch width"]) -> Float[Tensor, "batch dim"]:
        """The images' vectors, of any length, from the mean of their patches."""
        vectors: Tensor = self.of_image(pooled)
        return vectors

    def text_vectors(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """The texts' vectors, of any length; with gradient where weights have one."""
        return self._read(self.ecamp.tokenize(texts))

    @torch.no_grad()
    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Embeds the prompts of each finding and of its absence, and what they look for."""
        present, absent = encode_prompts(self.embed_reports, queries, self.prompts, unit=True)
        features = {"present": present, "absent": absent}
        if self.ecamp.language.fusion.sees_places:
            phrases = [self.prompts.pairs(query)[0][0] for query in queries]
            features["looked_for"] = self.ecamp.encode_phrases(phrases).vectors
        return EncodedQueries(queries=tuple(queries), features=features)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """How much nearer each image is to presence than to absence, and where its words look.

        A model whose words see the whole alone has no maps.
        """
        device = radiographs.device
        apart = (queries.features["present"] - queries.features["absent"]).to(device)
        tokens = self._tokens(radiographs)
        margin = self.config.scale.of(self.scale) * self._unit(tokens) @ apart.T
        looked_for = queries.features.get("looked_for")
        grids = None if looked_for is None else self.ecamp.looks(tokens, looked_for.to(device))
        return Answers(scores=margin.sigmoid(), grids=grids)

    @torch.no_grad()
    def embed_radiographs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Each radiograph, all patches seen, as a unit vector."""
        return self._unit(self._tokens(radiographs))

    @torch.no_grad()
    def embed_reports(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """Each text as a unit vector; too long ones are counted in a warning."""
        parts, cut = [], 0
        with evaluating(self):
            for start in range(0, len(texts), TEXTS_AT_ONCE):
                tokens = self.ecamp.tokenize(texts[start : start + TEXTS_AT_ONCE])
                cut += tokens.cut
                parts.append(self._read(tokens).float())
        warn_of_cut(cut, len(texts), self.max_tokens)
        return F.normalize(torch.cat(parts), dim=1)

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        """What the words of each phrase look for, on average.

        Raises:
            ModelError: the fusion has no local part.
        """
        return self.ecamp.encode_phrases(phrases)

    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """Where phrases look, in the order of the patches."""
        return self.ecamp.ground(radiographs, phrases)

    def _read(self, tokens: Tokens) -> Float[Tensor, "texts dim"]:
        first = self.ecamp.language.words_alone(tokens.ids, tokens.mask)[:, 0]
        vectors: Tensor = self.of_text(first)
        return vectors

    def _tokens(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch tokens part"]:
        with evaluating(self):
            tokens: Tensor = self.ecamp.image_encoder(radiographs)
        return tokens

    def _unit(self, tokens: Float[Tensor, "batch tokens part"]) -> Float[Tensor, "batch dim"]:
        return F.normalize(self.image_vectors(tokens[:, 1:].mean(1)).float(), dim=1)
