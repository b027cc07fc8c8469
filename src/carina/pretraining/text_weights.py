"""What each token of a text is worth in the loss; each way is a class."""

from dataclasses import dataclass

from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RebalancedWeights:
    """Descriptors of what is denied count `negative`, the others so much more: ECAMP, eq. 3."""

    negative: float = 0.05

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_negative(self.negative)


@dataclass(frozen=True, kw_only=True)
class PhraseWeights:
    """Tokens of "there is no (evidence of)" count `negative`: ECAMP's published code."""

    negative: float = 0.05

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_negative(self.negative)


@dataclass(frozen=True, kw_only=True)
class EvenWeights:
    """Every token counts 1: ECAMP's Table 4 without RF."""


def check_negative(value: float) -> None:
    """Refuses a weight that turns the balance round.

    Raises:
        ConfigError: it is not above 0, or above 1.
    """
    if not 0 < value <= 1:  # refuses nan too
        raise ConfigError(
            f"the weight of negative phrases must be above 0 and at most 1, got {value}."
        )
