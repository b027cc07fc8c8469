"""The signature that every model which can be asked fulfils."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from carina.errors import QueryError
from carina.imaging.preprocessing import Preprocessing


@dataclass(frozen=True)
class Query:
    """A finding to ask about: its name and, for one never seen, what it looks like.

    A model that asks by descriptions looks one up where `description` is None. A description that
    is the name itself asks by the direct name, of any model.

    Raises:
        QueryError: the name is blank, or a description that is given.
    """

    name: str
    description: str | None = None

    def __post_init__(self) -> None:
        """Refuses a query that asks nothing."""
        if not self.name.strip():
            raise QueryError("A query is empty; expected the name of a finding.")
        if self.description is not None and not self.description.strip():
            raise QueryError(
                f"The description of the query {self.name!r} is empty; expected what the finding "
                "looks like. Write it, or leave the description out."
            )

    @property
    def text(self) -> str:
        """The words that a text encoder reads: the name, then the description if there is one."""
        if self.description is None or self.description == self.name:
            return self.name
        return f"{self.name}: {self.description}"


@dataclass(frozen=True, kw_only=True)
class EncodedQueries:
    """Queries as tensors: made once per list, used for any number of radiographs.

    `features` holds what the model's own `encode_queries` made, by name.
    """

    queries: tuple[Query, ...]
    features: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Scores in [0, 1], and where a model has them coarse maps over the whole input."""

    scores: Float[Tensor, "batch queries"]
    grids: Float[Tensor, "batch queries rows cols"] | None


@runtime_checkable
class ZeroShotModel(Protocol):
    """Query networks, prompt pairs and phrase grounding all fit this."""

    preprocessing: Preprocessing

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Embeds queries, once per list."""
        ...

    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """Scores radiographs that went through `preprocessing`."""
        ...


@runtime_checkable
class ImageTextModel(Protocol):
    """A model in which a radiograph and a report are points of one space.

    The inner product of the two ranks: a model that means cosines gives unit vectors.
    """

    preprocessing: Preprocessing

    def embed_radiographs(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch dim"]:
        """One vector a radiograph that went through `preprocessing`."""
        ...

    def embed_reports(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """One vector a text: a report, a sentence, a prompt."""
        ...


@dataclass(frozen=True, kw_only=True)
class EncodedPhrases:
    """Phrases as vectors: made once, used for any number of radiographs.

    `features` holds what else the model's own `encode_phrases` made, by name, such as words.
    """

    phrases: tuple[str, ...]
    vectors: Float[Tensor, "phrases dim"]
    features: Mapping[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class PhraseGrounder(Protocol):
    """A model that says where in a radiograph a phrase of a report holds."""

    preprocessing: Preprocessing

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        """Embeds phrases, once per list."""
        ...

    def ground(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """Coarse maps over the whole input, of any range; only differences within one count."""
        ...


@runtime_checkable
class WeightedGrounder(Protocol):
    """A `PhraseGrounder` whose map is a weight of each patch times its likeness to the phrase.

    The two factors on their own let the weights be softened anew without the network running
    again. `ground` gives their product at the temperature `weight_temperature`.
    """

    weight_temperature: float

    def encode_phrases(self, phrases: Sequence[str]) -> EncodedPhrases:
        """Embeds phrases, once per list."""
        ...

    def patch_weights(self, temperature: float) -> Float[Tensor, "rows cols"]:
        """The weights of the patches, softened by `temperature` > 0; their sum is 1."""
        ...

    def patch_likeness(
        self, radiographs: Float[Tensor, "batch channels height width"], phrases: EncodedPhrases
    ) -> Float[Tensor, "batch phrases rows cols"]:
        """Inner products of patches and phrases, not weighted."""
        ...
