"""An image encoder that tells how severe: grades, or scores on a scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from carina.encoders.image_configs import ImageConfig
from carina.encoders.modes import evaluating
from carina.errors import ConfigError
from carina.finetuning.linear_on_grid import LinearOnGrid
from carina.finetuning.outputs import columns_of, encoded_by_output
from carina.imaging.preprocessing import Preprocessing
from carina.zeroshot.protocol import Answers, EncodedQueries, Query


@dataclass(frozen=True, kw_only=True)
class Grades:
    """Grades 0 to `highest`, such as pulmonary edema from 0 (none) to 3 (alveolar)."""

    highest: int = 3

    def __post_init__(self) -> None:
        """Checks the number."""
        if self.highest < 1:
            raise ConfigError(f"highest must be at least 1, got {self.highest}.")

    @property
    def outputs(self) -> int:
        """One question a step: at least 1, at least 2, ..."""
        return self.highest

    def expected(
        self, outputs: Float[Tensor, "batch scales outputs"]
    ) -> Float[Tensor, "batch scales"]:
        """The expected grade: the probabilities of being at least 1, 2, ... added up."""
        grades: Tensor = outputs.sigmoid().sum(2)
        return grades

    @property
    def words(self) -> tuple[str, ...]:
        """What each grade is asked by, behind the name of its severity."""
        return tuple(f"grade {grade}" for grade in range(self.highest + 1))

    def shares(
        self, outputs: Float[Tensor, "batch scales outputs"]
    ) -> Float[Tensor, "batch scales grades"]:
        """The probability of each grade: of at least this one, less that of at least the next.

        No step is more probable than the one below it, so none is negative.
        """
        steps = outputs.sigmoid().cummin(2).values
        ends = steps.new_ones(*steps.shape[:2], 1)
        shares: Tensor = torch.cat([ends, steps], 2) - torch.cat([steps, 0 * ends], 2)
        return shares


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Scores with the given mean and deviation in training, such as Brixia's 0 to 18."""

    mean: float = 0.0
    deviation: float = 1.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if not self.deviation > 0 or not self.highest > 0:
            raise ConfigError(
                f"deviation and highest must be > 0, got {self.deviation} and {self.highest}."
            )

    @property
    def outputs(self) -> int:
        """One number."""
        return 1

    def expected(
        self, outputs: Float[Tensor, "batch scales outputs"]
    ) -> Float[Tensor, "batch scales"]:
        """The score on its own scale."""
        scores: Tensor = outputs[..., 0] * self.deviation + self.mean
        return scores

    @property
    def words(self) -> tuple[str, ...]:
        """A score on a scale has no grades that could be asked."""
        return ()

    def shares(
        self, outputs: Float[Tensor, "batch scales outputs"]
    ) -> Float[Tensor, "batch scales 0"]:
        """Of no grades."""
        return outputs[..., :0]


@dataclass(frozen=True, kw_only=True)
class GraderConfig:
    """Settings of a grader: `names` are its severities, in canonical form, all on one `scale`."""

    image: ImageConfig
    preprocessing: Preprocessing
    names: tuple[str, ...]
    scale: Grades | Scale

    def __post_init__(self) -> None:
        """Checks the names."""
        if not self.names or len(set(self.names)) != len(self.names):
            raise ConfigError(f"names must be different, got {self.names}.")

    @property
    def outputs(self) -> tuple[str, ...]:
        """All that can be asked: the severities, then each grade of each."""
        grades = (f"{name} {word}" for name in self.names for word in self.scale.words)
        return (*self.names, *grades)


class Grader(LinearOnGrid):
    """Mean of the encoder's grid, standardised, then linear outputs.

    Fulfils `ZeroShotModel`, for its own severities: a score is the expected grade or score as a
    share of the highest one. A grade can be asked too ("edema grade 2"): its probability.
    """

    def __init__(self, config: GraderConfig) -> None:
        super().__init__(config.image, len(config.names) * config.scale.outputs)
        self.config = config

    @classmethod
    def from_config(cls, config: GraderConfig) -> "Grader":
        """A grader with fresh weights."""
        return cls(config)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        return self.config.preprocessing

    def forward(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch names outputs"]:
        """Raw outputs of every severity, for training."""
        shape = len(self.config.names), self.config.scale.outputs
        outputs: Tensor = self.outputs(radiographs).unflatten(1, shape)
        return outputs

    def expected(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch names"]:
        """Expected grades or scores, in their own unit."""
        values: Tensor = self.config.scale.expected(self(radiographs).float())
        return values

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Finds the output of each query.

        Raises:
            QueryError: a severity that this grader was not trained on.
        """
        return encoded_by_output(queries, self.config.outputs)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """Each severity as a share of the highest, and each grade's probability; no maps."""
        columns, scale = columns_of(queries, radiographs.device), self.config.scale
        with evaluating(self):
            outputs = self(radiographs).float()
        share = (scale.expected(outputs) / scale.highest).clamp(0, 1)
        scores = torch.cat([share, scale.shares(outputs).flatten(1)], 1)
        return Answers(scores=scores[:, columns], grids=None)
