"""What a recipe is: a name and a tuple of stages, each a frozen config."""

from dataclasses import dataclass

from carina.errors import ConfigError
from carina.pretraining.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A full configuration of a run: each stage becomes one folder of it.

    `summary` is one sentence on what it is and how it departs from paper or published code.
    """

    name: str
    summary: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        """Checks that the stages can be told apart."""
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"{self.name}: stages must have different names, got {names}.")
