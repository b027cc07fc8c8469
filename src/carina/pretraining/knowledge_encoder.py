"""Stage 1 of KAD: a text encoder learns a knowledge graph by contrast between texts.

Two texts about one concept (name and definition, say) are drawn together, texts about different
ones apart. What is handed on is the text encoder; stage 2 asks radiographs in its language.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import SPECIAL
from carina.encoders.tokens import Tokens
from carina.errors import ConfigError
from carina.knowledge.graph import ConceptGraph
from carina.knowledge.kinship import Kinship
from carina.knowledge.pairs import AppearancePairs, OfficialPairs, PairSampler, PaperPairs, TextPair
from carina.losses.knowledge import official_knowledge_loss, official_targets, paper_knowledge_loss
from carina.pretraining.similarity import SimilarityMap
from carina.pretraining.stage import PreparedStage, StageInputs
from carina.pretraining.text_source import BertText
from carina.training.distributed import gather_rows
from carina.training.objective import Losses, Place, Term
from carina.training.settings import TrainingSettings

LARGEST_SCALE = 100.0
PIECES = 4  # of a batch, by length: more save padding, fewer keep the matrices large
_CORRUPTION = 1  # the stream of random numbers beside the sampler's, which is 0

Likeness = Float[Tensor, "all all"]
LikenessRule = Callable[[Sequence[TextPair]], NDArray[np.float32]]


@dataclass(frozen=True)
class KnowledgeBatch:
    """One process's share of a batch of text pairs.

    The texts come sorted by length in pieces, so that little is spent on padding: row i of the
    first texts is at `places[i]` of all pieces together, row i of the second at
    `places[pairs + i]`. `likeness` is of the global batch: 1 where two pairs are about the same
    concept, 0 where they have nothing in common.
    """

    pieces: tuple[Tokens, ...]
    places: Int[Tensor, "texts"]
    likeness: Likeness
    names: tuple[str, ...]

    def to(self, device: torch.device) -> "KnowledgeBatch":
        """Copies the tensors to a device."""
        return KnowledgeBatch(
            pieces=tuple(tokens.to(device) for tokens in self.pieces),
            places=self.places.to(device),
            likeness=self.likeness.to(device),
            names=self.names,
        )


@dataclass(frozen=True, kw_only=True)
class NoNoise:
    """Texts as they are."""

    def corrupted(
        self, ids: list[list[int]], tokenizer: Tokenizer, random: np.random.Generator
    ) -> list[list[int]]:
        """The ids unchanged."""
        return ids


@dataclass(frozen=True, kw_only=True)
class BertNoise:
    """BERT's corruption, as noise alone: no word is to be guessed.

    Source: KAD's published code. With probability 0.5 a batch's side is corrupted: of its tokens
    (special ones apart) 15 % are chosen, of which 80 % become [MASK], 10 % any token, and 10 %
    stay.
    """

    def corrupted(
        self, ids: list[list[int]], tokenizer: Tokenizer, random: np.random.Generator
    ) -> list[list[int]]:
        """The ids of one side of a global batch, with noise or not."""
        if random.random() >= 0.5:
            return ids
        special = {_token(tokenizer, name) for name in SPECIAL}
        mask, size = _token(tokenizer, "[MASK]"), tokenizer.get_vocab_size()

        def noisy(token: int) -> int:
            if token in special or random.random() >= 0.15:
                return token
            fate = random.random()
            if fate < 0.8:
                return mask
            return int(random.integers(size)) if fate < 0.9 else token

        return [[noisy(token) for token in text] for text in ids]


Noise = NoNoise | BertNoise


def _token(tokenizer: Tokenizer, name: str) -> int:
    number = tokenizer.token_to_id(name)
    if number is None:
        raise ConfigError(
            f"the tokenizer has no {name}, expected a WordPiece tokenizer of BERT. Use another."
        )
    return int(number)


def same_concept(pairs: Sequence[TextPair]) -> NDArray[np.float32]:
    """1 where two pairs match, and for each pair with itself."""
    match = np.array([pair.match for pair in pairs])
    same = (match[:, None] == match[None, :]) & (match[:, None] != "")
    alike: NDArray[np.float32] = (same | np.eye(len(pairs), dtype=bool)).astype(np.float32)
    return alike


class _PaperLoss(nn.Module):
    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        first: Float[Tensor, "all dim"],
        second: Float[Tensor, "all dim"],
        likeness: Likeness,
    ) -> Term:
        texts = torch.cat([first, second])
        total, count = paper_knowledge_loss(texts, likeness.repeat(2, 2) > 0.5, self.temperature)
        return Term(sum=total, count=count)


class _OfficialLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(
        self,
        first: Float[Tensor, "all dim"],
        second: Float[Tensor, "all dim"],
        likeness: Likeness,
    ) -> Term:
        with torch.no_grad():  # before a step what the published code does after the one before
            self.logit_scale.clamp_(0.0, math.log(LARGEST_SCALE))
        targets = official_targets(likeness > 0.5)
        total, count = official_knowledge_loss(first, second, targets, self.logit_scale.exp())
        return Term(sum=total, count=count)


class _KinshipLoss(nn.Module):
    def __init__(self, temperature: float, sharing: float) -> None:
        super().__init__()
        self.temperature, self.sharing = temperature, sharing

    def forward(
        self,
        first: Float[Tensor, "all dim"],
        second: Float[Tensor, "all dim"],
        likeness: Likeness,
    ) -> Term:
        weights = torch.where(likeness > 1 - 1e-6, 1.0, self.sharing * likeness)
        targets = weights / weights.sum(1, keepdim=True)
        scale = torch.tensor(1 / self.temperature, device=first.device)
        total, count = official_knowledge_loss(first, second, targets, scale)
        return Term(sum=total, count=count)


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ConfigError(
            f"temperature must be > 0, got {temperature}: it divides the similarities."
        )


@dataclass(frozen=True, kw_only=True)
class PaperContrast:
    """Every text of a batch against all others; those of its concept are averaged.

    Source: Zhang et al., Nat Commun 2023, Eq. 2. The paper gives no temperature; 0.07 is where
    the published code begins.
    """

    temperature: float = 0.07

    def __post_init__(self) -> None:
        """Checks the temperature."""
        _check_temperature(self.temperature)

    def loss(self) -> nn.Module:
        """The loss as a module."""
        return _PaperLoss(self.temperature)

    def likeness(self, graph: ConceptGraph) -> LikenessRule:
        """Which pairs of a batch are about the same."""
        return same_concept


@dataclass(frozen=True, kw_only=True)
class OfficialContrast:
    """First texts against second texts, with a learned scale in [1, 100]: KAD as published."""

    def loss(self) -> nn.Module:
        """The loss as a module; it holds the scale."""
        return _OfficialLoss()

    def likeness(self, graph: ConceptGraph) -> LikenessRule:
        """Which pairs of a batch are about the same."""
        return same_concept


@dataclass(frozen=True, kw_only=True)
class KinshipContrast:
    """Our own: concepts that share attributes are not pushed apart as far as others.

    In plain contrast every other concept of the batch is as wrong as any, so a finding without
    examples ends up near nothing that was seen. Here the target of a text is a distribution: 1
    for its own concept and `sharing` x likeness for others, divided by their sum.
    """

    temperature: float = 0.2
    sharing: float = 0.5

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        _check_temperature(self.temperature)
        if not 0 <= self.sharing <= 1:
            raise ConfigError(
                f"sharing must be in [0, 1], got {self.sharing}: it is the weight of a concept "
                "that is alike beside the right one."
            )

    def loss(self) -> nn.Module:
        """The loss as a module."""
        return _KinshipLoss(self.temperature, self.sharing)

    def likeness(self, graph: ConceptGraph) -> LikenessRule:
        """How much the concepts of a batch have in common."""
        kinship = Kinship(graph)

        def rule(pairs: Sequence[TextPair]) -> NDArray[np.float32]:
            return kinship.matrix([pair.concept for pair in pairs])

        return rule


Contrast = PaperContrast | OfficialContrast | KinshipContrast


class KnowledgeBatches:
    """Makes batches of text pairs; each text is tokenised once."""

    def __init__(
        self,
        sampler: PairSampler,
        encoder: TextEncoder,
        likeness: LikenessRule,
        noise: Noise,
        batch_size: int,
        seed: int,
    ) -> None:
        self.batch_size = batch_size
        self._sampler = sampler
        self._encoder = encoder
        self._likeness = likeness
        self._noise = noise
        self._seed = seed
        self._known: dict[str, list[int]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which as many pairs are drawn as there are facts."""
        return math.ceil(self._sampler.size / self.batch_size)

    def batch(self, step: int, place: Place) -> KnowledgeBatch:
        """The share of `place` of the batch of `step`."""
        pairs = self._sampler.draw(self._seed, step, self.batch_size)
        random = np.random.default_rng([self._seed, step, _CORRUPTION])
        rows = place.rows(self.batch_size)
        sides = [self._ids([pair.first for pair in pairs]), self._ids([p.second for p in pairs])]
        noisy = [self._noise.corrupted(ids, self._encoder.tokenizer, random) for ids in sides]
        pieces, places = by_length(
            [ids for side in noisy for ids in side[rows.start : rows.stop]],
            _token(self._encoder.tokenizer, "[PAD]"),
        )
        return KnowledgeBatch(
            pieces=pieces,
            places=places,
            likeness=torch.from_numpy(self._likeness(pairs)),
            names=tuple(pairs[row].concept for row in rows),
        )

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            tokens = self._encoder.tokenize(new)
            for text, ids, mask in zip(new, tokens.ids, tokens.mask, strict=True):
                self._known[text] = ids[: int(mask.sum())].tolist()
        return [self._known[text] for text in texts]


def by_length(
    texts: Sequence[Sequence[int]], padding: int
) -> tuple[tuple[Tokens, ...], Int[Tensor, "texts"]]:
    """Texts as a few tables of texts of like length, and where each text went.

    Returns:
        The tables, and for each text its row in all tables together.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    size = math.ceil(len(texts) / PIECES)
    pieces = [order[start : start + size] for start in range(0, len(order), size)]
    places = torch.empty(len(texts), dtype=torch.long)
    places[torch.tensor(order)] = torch.arange(len(texts))
    return tuple(padded([texts[place] for place in piece], padding) for piece in pieces), places


def padded(texts: Sequence[Sequence[int]], padding: int) -> Tokens:
    """Lists of token ids as one table, padded to the longest."""
    longest = max(len(ids) for ids in texts)
    ids = torch.tensor([[*ids, *[padding] * (longest - len(ids))] for ids in texts])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts])
    return Tokens(ids=ids, mask=mask)


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
