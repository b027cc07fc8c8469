"""ECAMP: entity-centred masked reports beside masked radiographs (Wang et al., 2023), the model.

A ViT sees a quarter of the patches; a decoder guesses the others, and super-resolution makes the
guess finer; a BERT fills in masked words by what was seen. It was trained with no contrast:
`ecamp_contrast.py` adds that, and can be asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.masked_decoder import MaskedDecoder, MaskedDecoderConfig
from carina.encoders.masked_language import MaskedLanguageConfig, MaskedLanguageModel
from carina.encoders.masked_vit import MaskedViT, MaskedViTConfig, draw_xavier
from carina.encoders.modes import evaluating
from carina.encoders.super_resolution import NoSuperResolution, SuperResolutionConfig
from carina.encoders.tokens import Tokens, check_vocabulary, cut_tokens, special_id
from carina.imaging.preprocessing import CentreCrop, Preprocessing
from carina.pretraining.two_encoders import check_image_side
from carina.zeroshot.protocol import EncodedPhrases

ECAMP_224 = Preprocessing(size=224, resize=CentreCrop(), mean=(0.4721,) * 3, std=(0.3037,) * 3)
ECAMP_DECODER = MaskedDecoderConfig(dim=512, layers=4, heads=16, hidden=2048, resolution=1)
FRAME = ("[CLS]", "[SEP]")


@dataclass(frozen=True, kw_only=True)
class ECAMPConfig:
    """Settings of an ECAMP model. Defaults are the paper's, but for the 12 layers of the ViT."""

    image: MaskedViTConfig = field(default_factory=MaskedViTConfig)
    decoder: MaskedDecoderConfig = ECAMP_DECODER
    super_resolution: SuperResolutionConfig | NoSuperResolution = SuperResolutionConfig()
    language: MaskedLanguageConfig = field(default_factory=MaskedLanguageConfig)
    preprocessing: Preprocessing = ECAMP_224

    def __post_init__(self) -> None:
        """Checks that the parts fit one another."""
        check_image_side(self.image.vit, self.preprocessing)

    @property
    def guessed_side(self) -> int:
        """Side of what the decoder guesses, in pixels."""
        return self.preprocessing.size * self.decoder.resolution

    @property
    def side(self) -> int:
        """Side of the finest picture that is guessed, in pixels."""
        return self.guessed_side * self.super_resolution.scale


class ECAMPModel(nn.Module):
    """Guesses what is masked of a radiograph and its report.

    Fulfils `PhraseGrounder` where its fusion has a local part: where the words of a phrase look.
    """

    def __init__(self, config: ECAMPConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        check_vocabulary(tokenizer, config.language.vocabulary, "language model")
        self.config = config
        self.tokenizer = tokenizer
        self.image_encoder = MaskedViT(config.image)
        self.decoder = MaskedDecoder(config.decoder, config.image)
        self.super_resolution = config.super_resolution.build(config.image.vit.channels)
        self.project = nn.Linear(config.image.vit.dim, config.language.width)
        self.language = MaskedLanguageModel(config.language)
        # Padding's embedding is not learnt, as in BERT; a loss over all positions would teach it.
        self.language.embeddings.word_embeddings.padding_idx = special_id(tokenizer, "[PAD]")
        draw_xavier([self.project])

    @classmethod
    def from_config(cls, config: ECAMPConfig, tokenizer: Tokenizer) -> "ECAMPModel":
        """A model with fresh weights."""
        return cls(config, tokenizer)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image side wants."""
        return self.config.preprocessing

    @property
    def max_tokens(self) -> int:
        """The longest text that is read, special tokens included."""
        return self.config.language.max_tokens

    def places(
        self, tokens: Float[Tensor, "batch tokens dim"]
    ) -> Float[Tensor, "batch patches width"]:
        """What words look at: the image encoder's patches, at the width of the words."""
        projected: Tensor = self.project(tokens[:, 1:])
        return projected

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Texts as token ids, on the device of the weights."""
        device = self.project.weight.device
        return cut_tokens(self.tokenizer, texts, self.max_tokens).to(device)

    @torch.no_grad()
    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        """What the words of each phrase look for, on average.

        Raises:
            ModelError: the fusion has no local part.
        """
        tokens = self.tokenize(phrases)
        with evaluating(self):
            queries = self.language.queries(tokens.ids, tokens.mask)
        weights = self._named(tokens).float()
        weights = weights / weights.sum(1, keepdim=True).clamp_min(1)
        return EncodedPhrases(
            phrases=tuple(phrases), vectors=(queries.float() * weights[..., None]).sum(1)
        )

    @torch.no_grad()
    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """Where phrases look in whole radiographs, in the order of the patches; see `looks`."""
        with evaluating(self):
            tokens = self.image_encoder(radiographs)
        return self.looks(tokens, phrases.vectors.to(tokens.device))

    def looks(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        queries: Float[Tensor, "phrases width"],
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """The cross-attention of the fusion, the mean over its heads.

        Args:
            tokens: the class token and all patches, in their order.
            queries: of `encode_phrases`.

        Returns:
            Weights >= 0 that add up to one for each phrase.
        """
        local, side = self.language.fusion.local, self.config.image.side
        keys = local.key(self.places(tokens)).float().unflatten(-1, (local.heads, -1))
        heads = queries.unflatten(-1, (local.heads, -1))
        logits = torch.einsum("qhd,bphd->bhqp", heads, keys) * keys.shape[-1] ** -0.5
        weights: Tensor = logits.softmax(-1).mean(1).unflatten(2, (side, side))
        return weights

    def _named(self, tokens: Tokens) -> Bool[Tensor, "texts tokens"]:
        """Which tokens are words: no padding and no frame."""
        named = tokens.mask.bool()
        for name in FRAME:
            number = self.tokenizer.token_to_id(name)
            if number is not None:
                named = named & (tokens.ids != number)
        return named
