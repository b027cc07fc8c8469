"""GLoRIA: words of a report look for their places in a radiograph (Huang et al., ICCV 2021).

A network gives places and a summary, a BERT words and a report; the words of a caption are
contrasted with what they find in each image, and the report with the summary. Where a word looks
is a map.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.features import ImageFeatures
from carina.encoders.local_global import LocalGlobalResNetConfig, LocalGlobalViTConfig
from carina.encoders.modes import evaluating
from carina.encoders.words import WordEncoder, WordEncoderConfig, Words
from carina.errors import ConfigError
from carina.imaging.preprocessing import LetterboxCrop, Preprocessing
from carina.losses.local_alignment import (
    check_factor,
    local_likeness,
    paired_maps,
    word_maps,
)
from carina.pretraining.entity_maps import EntityText
from carina.pretraining.gloria_comparison import (
    Comparison,
    PublishedComparison,
    WordLengths,
    best_of,
    filled,
)
from carina.pretraining.gloria_text import AsWritten, OfficialCleaning
from carina.pretraining.two_encoders import check_image_side
from carina.report.sentences import split_sentences
from carina.zeroshot.prompts import PROMPT_SETS, PromptSet
from carina.zeroshot.protocol import Answers, EncodedPhrases, EncodedQueries, Query

PROMPTS_AT_ONCE = 16
GLORIA_224 = Preprocessing(size=224, resize=LetterboxCrop(), mean=(0.5,) * 3, std=(0.5,) * 3)


@dataclass(frozen=True, kw_only=True)
class GLoRIAConfig:
    """Settings of a GLoRIA model. Defaults are the published code's.

    `attention_temperature` multiplies the shares that words have of a place, before places
    compete for a word.
    """

    image: LocalGlobalResNetConfig | LocalGlobalViTConfig = field(
        default_factory=LocalGlobalResNetConfig
    )
    text: WordEncoderConfig = field(default_factory=WordEncoderConfig)
    preprocessing: Preprocessing = GLORIA_224
    attention_temperature: float = 4.0
    cleaning: OfficialCleaning | AsWritten = OfficialCleaning()
    comparison: Comparison = PublishedComparison()
    prompts: PromptSet = PROMPT_SETS["gloria"]

    def __post_init__(self) -> None:
        """Checks that the parts fit one another."""
        check_factor(self.attention_temperature)
        if self.image.dim != self.text.dim:
            raise ConfigError(
                "Places and words must be of one length: the image encoder gives "
                f"{self.image.dim}, the word encoder {self.text.dim}, and no projection is between."
            )
        image = self.image
        inner = image.vit if isinstance(image, LocalGlobalViTConfig) else image.resnet
        check_image_side(inner, self.preprocessing)


class GLoRIAModel(nn.Module):
    """Compares radiographs with texts, whole and word by word.

    Fulfils `ZeroShotModel`, `PromptedModel`, `ImageTextModel`, `PhraseGrounder` and
    `EntityMapper`.

    Attributes:
        prompts: the words of a query; the config's, until others are chosen.
    """

    def __init__(self, config: GLoRIAConfig, text_encoder: WordEncoder) -> None:
        super().__init__()
        self.config = config
        self.image_encoder: nn.Module = config.image.build()
        self.text_encoder = text_encoder
        self.prompts = config.prompts

    @classmethod
    def from_config(cls, config: GLoRIAConfig, tokenizer: Tokenizer) -> "GLoRIAModel":
        """A model with fresh weights."""
        return cls(config, WordEncoder(config.text, tokenizer))

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image side wants."""
        return self.config.preprocessing

    @property
    def tokenizer(self) -> Tokenizer:
        """The word encoder's tokenizer."""
        return self.text_encoder.tokenizer

    @property
    def max_tokens(self) -> int:
        """The longest text that is read, special tokens included."""
        return self.text_encoder.config.max_tokens

    @torch.no_grad()
    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Reads the prompts of each finding and of its absence."""
        pairs = [self.prompts.pairs(query) for query in queries]
        sides = [side for pair in pairs for side in pair]
        texts = [text for side in sides for text in side]
        owners = [number for number, side in enumerate(sides) for _ in side]
        words = self.words(texts)
        counted = self.config.comparison.counted(words, texts)
        shown = [owners.index(2 * number) for number in range(len(pairs))]
        drawn = words.rows(torch.tensor(shown, device=words.lengths.device))
        asked = [
            (texts[place], query.name.lower()) for place, query in zip(shown, queries, strict=True)
        ]
        return EncodedQueries(
            queries=tuple(queries),
            features={
                "words": filled(words.vectors, counted.shape[1]),
                "counted": filled(counted, words.vectors.shape[1]),
                "reports": words.reports,
                "owners": torch.tensor(owners),
                **map_features(drawn, self._named(asked, drawn)),
            },
        )

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """How much better the best prompt of presence fits than the best one of absence."""
        found = {name: tensor.to(radiographs.device) for name, tensor in queries.features.items()}
        features = self._features(radiographs)
        fitting = self.fitting(features, found["words"], found["counted"], found["reports"])
        sides = best_of(fitting, found["owners"], 2 * len(queries.queries))
        present, absent = sides.unflatten(1, (-1, 2)).unbind(2)
        grids = self._maps(features, found["map_words"], found["map_counted"], found["map_named"])
        return Answers(scores=(present - absent).sigmoid(), grids=grids)

    def fitting(
        self,
        features: ImageFeatures,
        words: Float[Tensor, "prompts entries dim"],
        counted: Bool[Tensor, "prompts entries"],
        reports: Float[Tensor, "prompts dim"],
    ) -> Float[Tensor, "batch prompts"]:
        """How well each prompt fits each image, by the model's comparison."""
        comparison = self.config.comparison
        local = local_likeness(
            features.tokens.float(),
            words,
            counted,
            temperature=self.config.attention_temperature,
            pooling=comparison.pooling,
            captions_at_once=PROMPTS_AT_ONCE,
        )
        whole = F.normalize(features.pooled.float(), dim=1) @ F.normalize(reports, dim=1).T
        return comparison.score(local, whole)

    @torch.no_grad()
    def embed_radiographs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch dim"]:
        """The summary of each radiograph, as a unit vector."""
        return F.normalize(self._features(radiographs).pooled.float(), dim=1)

    @torch.no_grad()
    def embed_reports(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """The mean over the pieces of each text, as a unit vector."""
        return F.normalize(self.words(texts).reports, dim=1)

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        """Each phrase as the vectors of its words."""
        words = self.words(phrases)
        return EncodedPhrases(
            phrases=tuple(phrases),
            vectors=F.normalize(words.reports, dim=1),
            features=map_features(words, WordLengths().counted(words, phrases)),
        )

    @torch.no_grad()
    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """The mean of the maps of a phrase's words."""
        found = {name: tensor.to(radiographs.device) for name, tensor in phrases.features.items()}
        return self._maps(
            self._features(radiographs),
            found["map_words"],
            found["map_counted"],
            found["map_named"],
        )

    @torch.no_grad()
    def entity_maps(
        self,
        radiographs: Float[Tensor, "batch channels height width"],
        texts: Sequence[EntityText],
    ) -> Float[Tensor, "batch rows cols"]:
        """The mean over the entities of each text of the maps of their words.

        Each entity is looked for with the sentence that names it, as captions are in training.
        Source: ECAMP's entity-specific attention, as far as its paper tells; a text without
        entities has a flat map.
        """
        features = self._features(radiographs)
        flat = torch.ones_like(features.grid[..., 0]).flatten(1)
        flat = flat / flat.shape[1]
        asked = [
            (row, sentence, entity)
            for row, text in enumerate(texts)
            for entity, sentence in sentences_naming(text)
        ]
        if not asked:
            return flat.view(features.grid.shape[:3])
        rows = torch.tensor([row for row, _, _ in asked], device=flat.device)
        words = self.words([sentence for _, sentence, _ in asked])
        named = self.entries_of([(text, name) for _, text, name in asked], words).to(flat)
        maps = paired_maps(
            features.tokens.float()[rows],
            words.vectors,
            words.counted,
            self.config.attention_temperature,
        )
        one = (named[:, None] @ maps)[:, 0] / named.sum(1, keepdim=True).clamp_min(1)
        found = (named.sum(1) > 0).to(flat)
        summed = torch.zeros_like(flat).index_add(0, rows, one * found[:, None])
        count = flat.new_zeros(len(flat)).index_add(0, rows, found)[:, None]
        mean = torch.where(count > 0, summed / count.clamp_min(1), flat)
        return mean.view(features.grid.shape[:3])

    def entries_of(
        self, asked: Sequence[tuple[str, str]], words: Words
    ) -> Float[Tensor, "asked entries"]:
        """1 at the words of the entity in the sentence; all 0 where they were cut off."""
        named = torch.zeros(words.vectors.shape[:2])
        for places, (sentence, entity) in zip(named, asked, strict=True):
            places[self._members(sentence, entity)] = 1
        return named

    def words(self, texts: Sequence[str]) -> Words:
        """Reads texts, cleaned as the model's were in training."""
        cleaned = [self.config.cleaning.of(text) for text in texts]
        return self.text_encoder.encode(cleaned)

    def _members(self, sentence: str, entity: str) -> list[int]:
        """The entries of the words of an entity where it first stands in a sentence."""
        text = self.config.cleaning.of(sentence).lower()
        name = re.escape(self.config.cleaning.of(entity).lower())
        match = re.search(rf"\b{name}\b", text)
        start, end = match.span() if match else (0, 0)
        encoding = self.text_encoder.tokenizer.encode(text)
        entries = self.text_encoder.word_numbers(encoding.ids[: self.max_tokens - 1])
        places = {
            entry
            for entry, (first, last) in zip(entries, encoding.offsets, strict=False)
            if first < end and start < last
        }
        return sorted(places)

    def _named(
        self, asked: Sequence[tuple[str, str]], words: Words
    ) -> Bool[Tensor, "asked entries"]:
        """The words of a name in its prompt; all words of a prompt that does not say it."""
        found = self.entries_of(asked, words).bool().to(words.vectors.device)
        everything = WordLengths().counted(words, [text for text, _ in asked])
        return torch.where(found.any(1, keepdim=True), found, everything)

    def _maps(
        self,
        features: ImageFeatures,
        words: Float[Tensor, "texts entries dim"],
        counted: Bool[Tensor, "texts entries"],
        named: Bool[Tensor, "texts entries"],
    ) -> Float[Tensor, "batch texts rows cols"]:
        """The mean map of the named words of each text."""
        places, temperature = features.tokens.float(), self.config.attention_temperature
        shares = named.to(words) / named.sum(1, keepdim=True)
        parts = [
            (share[:, None] @ word_maps(places, some, these, temperature))[:, :, 0]
            for some, these, share in zip(
                words.split(PROMPTS_AT_ONCE),
                counted.split(PROMPTS_AT_ONCE),
                shares.split(PROMPTS_AT_ONCE),
                strict=True,
            )
        ]
        result: Tensor = torch.cat(parts, 1).unflatten(2, features.grid.shape[1:3])
        return result

    def _features(self, radiographs: Float[Tensor, "batch channels height width"]) -> ImageFeatures:
        with evaluating(self):
            features: ImageFeatures = self.image_encoder(radiographs)
        return features


def map_features(words: Words, named: Bool[Tensor, "texts entries"]) -> dict[str, Tensor]:
    """The words whose maps are drawn, and those among which they compete."""
    return {"map_words": words.vectors, "map_counted": words.counted, "map_named": named}


def sentences_naming(text: EntityText) -> list[tuple[str, str]]:
    """Each entity of a text and the first sentence in which it stands, as captions are."""
    spans = split_sentences(text.text, 0, len(text.text))
    sentences = [text.text[start:end] for start, end in spans]
    found = (
        (entity, next((s for s in sentences if re.search(rf"\b{re.escape(entity)}\b", s)), None))
        for entity in text.entities
    )
    return [(entity, sentence) for entity, sentence in found if sentence is not None]
