"""MaCo: masked contrast of radiographs and reports (Huang et al., Nat Commun 2024), the model.

A ViT sees half of the patches; a decoder guesses the others at twice the resolution; the patches
seen and the report meet in one space. A layer that looks at the places of the visible patches
alone says how much a pair is worth; its weights later tell which places matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.masked_decoder import MaskedDecoder, MaskedDecoderConfig
from carina.encoders.masked_vit import MaskedViT, MaskedViTConfig
from carina.encoders.modes import evaluating
from carina.encoders.report_encoder import ReportEncoder, ReportEncoderConfig
from carina.errors import ConfigError, ModelError
from carina.imaging.preprocessing import CentreCrop, Preprocessing
from carina.pretraining.learnt_temperature import LearntScale, LearntTemperature
from carina.pretraining.two_encoders import check_image_side
from carina.zeroshot.prompts import PROMPT_SETS, PromptSet, encode_prompts
from carina.zeroshot.protocol import Answers, EncodedPhrases, EncodedQueries, Query

MACO_224 = Preprocessing(size=224, resize=CentreCrop(), mean=(0.4978,) * 3, std=(0.2449,) * 3)


@dataclass(frozen=True, kw_only=True)
class RawProducts:
    """Prompts are compared by inner products as they are: MaCo's published code."""

    @property
    def unit(self) -> bool:
        """Whether prompts are made unit vectors: no."""
        return False

    def margin(
        self,
        images: Float[Tensor, "batch dim"],
        apart: Float[Tensor, "queries dim"],
        scale: Float[Tensor, ""],
    ) -> Float[Tensor, "batch queries"]:
        """How much nearer an image is to presence than to absence; `apart` is between the two."""
        return images @ apart.T


@dataclass(frozen=True, kw_only=True)
class ScaledCosines:
    """Prompts are compared as reports are in training: by cosines times the learnt scale."""

    @property
    def unit(self) -> bool:
        """Whether prompts are made unit vectors: yes."""
        return True

    def margin(
        self,
        images: Float[Tensor, "batch dim"],
        apart: Float[Tensor, "queries dim"],
        scale: Float[Tensor, ""],
    ) -> Float[Tensor, "batch queries"]:
        """How much nearer an image is to presence than to absence; `apart` is between the two."""
        return scale * F.normalize(images, dim=1) @ apart.T


@dataclass(frozen=True, kw_only=True)
class MaCoConfig:
    """Settings of a MaCo model. Defaults are the published code's.

    `importance_bias` gives the layer that scores visible patches a bias. `weight_temperature` is
    tau_w: it divides that layer's weights before they are made weights of patches. A model that
    never saw a report (`reads_reports` false) is a masked autoencoder and answers nothing.
    """

    image: MaskedViTConfig = field(default_factory=MaskedViTConfig)
    decoder: MaskedDecoderConfig = field(default_factory=MaskedDecoderConfig)
    text: ReportEncoderConfig = field(default_factory=ReportEncoderConfig)
    preprocessing: Preprocessing = MACO_224
    scale: LearntScale | LearntTemperature = LearntScale()
    importance_bias: bool = True
    comparison: RawProducts | ScaledCosines = RawProducts()
    prompts: PromptSet = PROMPT_SETS["maco"]
    weight_temperature: float = 0.02
    reads_reports: bool = True

    def __post_init__(self) -> None:
        """Checks that the parts fit one another."""
        check_image_side(self.image.vit, self.preprocessing)
        if not self.weight_temperature > 0:
            raise ConfigError(
                f"weight_temperature must be > 0, got {self.weight_temperature}: it divides."
            )


class MaCoModel(nn.Module):
    """Compares radiographs with texts, whole and place by place.

    Fulfils `ZeroShotModel`, `PromptedModel`, `ImageTextModel` and `WeightedGrounder`.

    Attributes:
        prompts: the words of a query; the config's, until others are chosen.
        weight_temperature: tau_w of `ground`; the config's, until another is chosen.
    """

    def __init__(self, config: MaCoConfig, text_encoder: ReportEncoder) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = MaskedViT(config.image)
        self.decoder = MaskedDecoder(config.decoder, config.image)
        self.project = nn.Linear(config.image.vit.dim, config.text.dim)
        self.importance = nn.Linear(config.image.patches, 1, bias=config.importance_bias)
        self.scale = nn.Parameter(torch.tensor(config.scale.first()))
        self.text_encoder = text_encoder
        self.prompts = config.prompts
        self.weight_temperature = config.weight_temperature
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        for parameter in self.importance.parameters():
            nn.init.zeros_(parameter)

    @classmethod
    def from_config(cls, config: MaCoConfig, tokenizer: Tokenizer) -> "MaCoModel":
        """A model with fresh weights."""
        return cls(config, ReportEncoder(config.text, tokenizer))

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image side wants."""
        return self.config.preprocessing

    @property
    def tokenizer(self) -> Tokenizer:
        """The report encoder's tokenizer."""
        return self.text_encoder.tokenizer

    @property
    def max_tokens(self) -> int:
        """The longest text that is read, special tokens included."""
        return self.text_encoder.config.max_tokens

    def pooled(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch joint"]:
        """The image's vector: the mean over patches of their projection, no class token."""
        vector: Tensor = self.project(tokens[:, 1:].mean(1))
        return vector

    def importance_of(self, removed: Float[Tensor, "batch patches"]) -> Float[Tensor, " batch"]:
        """How much pairs are worth, by which patches are seen; > 0, in float32.

        Source: Huang et al., Nat Commun 2024, Eq. 4; ln(1 + exp x) in a form that is safe where
        the published code overflows.
        """
        with torch.autocast(removed.device.type, enabled=False):
            scores: Tensor = self.importance((1 - removed).to(self.importance.weight.dtype))
        return F.softplus(scores[:, 0])

    @torch.no_grad()
    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Embeds the prompts of each finding and of its absence.

        Raises:
            ModelError: the model never saw a report.
        """
        present, absent = encode_prompts(
            self._texts, queries, self.prompts, unit=self.config.comparison.unit
        )
        return EncodedQueries(
            queries=tuple(queries), features={"present": present, "absent": absent}
        )

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """How much nearer image and places are to presence than to absence."""
        apart = (queries.features["present"] - queries.features["absent"]).to(radiographs.device)
        tokens = self._tokens(radiographs)
        margin = self.config.comparison.margin(
            self.pooled(tokens).float(), apart, self.config.scale.of(self.scale)
        )
        weights = self.patch_weights(self.weight_temperature)
        return Answers(scores=margin.sigmoid(), grids=weights * self._likeness(tokens, apart))

    @torch.no_grad()
    def embed_radiographs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Each radiograph, all patches seen, as a unit vector."""
        return F.normalize(self.pooled(self._tokens(radiographs)).float(), dim=1)

    @torch.no_grad()
    def embed_reports(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """Each text as a unit vector.

        Raises:
            ModelError: the model never saw a report.
        """
        return F.normalize(self._texts(texts), dim=1)

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        """Each phrase as the report encoder gives it.

        Raises:
            ModelError: the model never saw a report.
        """
        return EncodedPhrases(phrases=tuple(phrases), vectors=self._texts(phrases))

    @torch.no_grad()
    def patch_weights(self, temperature: float) -> Float[Tensor, "rows cols"]:
        """The weights of the patches, softened by tau_w; their sum is 1.

        Source: Huang et al., Nat Commun 2024, "Phrase grounding".

        Args:
            temperature: tau_w, > 0; divides the weights of the layer that scores places.
        """
        weights = self.importance.weight[0].float() / temperature
        softened: Tensor = weights.softmax(0).unflatten(0, (self.config.image.side, -1))
        return softened

    @torch.no_grad()
    def patch_likeness(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """Inner products of patches and phrases, not weighted."""
        return self._likeness(self._tokens(radiographs), phrases.vectors.to(radiographs.device))

    @torch.no_grad()
    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """The weight of each patch times its inner product with each phrase."""
        weights = self.patch_weights(self.weight_temperature)
        return weights * self.patch_likeness(radiographs, phrases)

    def _tokens(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch tokens dim"]:
        with evaluating(self):
            tokens: Tensor = self.image_encoder(radiographs)
        return tokens

    def _texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        if not self.config.reads_reports:
            raise ModelError(
                "This model is a masked autoencoder that never saw a report: it knows no words. "
                "Ask one that was trained with contrast, such as the recipe's without '_mae'."
            )
        return self.text_encoder.encode(texts)

    def _likeness(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        vectors: Float[Tensor, "queries joint"],
    ) -> Float[Tensor, "batch queries rows cols"]:
        places: Tensor = self.project(tokens[:, 1:]).float()
        side = self.config.image.side
        likeness: Tensor = (places @ vectors.T).transpose(1, 2).unflatten(2, (side, side))
        return likeness
