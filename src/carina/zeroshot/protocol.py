"""The signature that every model which can be asked fulfils."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from carina.errors import QueryError
from carina.imaging.preprocessing import Preprocessing


@dataclass(frozen=True)
class Query:
    """A finding to ask about: its name and, for one never seen, what it looks like.

    Raises:
        QueryError: the name is blank.
    """

    name: str
    description: str | None = None

    def __post_init__(self) -> None:
        """Refuses a query that asks nothing."""
        if not self.name.strip():
            raise QueryError("A query is empty; expected the name of a finding.")

    @property
    def text(self) -> str:
        """The words that a text encoder reads: the name, then the description if there is one."""
        return self.name if self.description is None else f"{self.name}: {self.description}"


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
