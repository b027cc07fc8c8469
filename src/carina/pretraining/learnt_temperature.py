"""What multiplies the cosines of a contrast, where it is learnt; each way is a class."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from carina.errors import ConfigError, TrainingError


@dataclass(frozen=True, kw_only=True)
class LearntScale:
    """The scalar that multiplies the cosines is itself learnt: MaCo's published code.

    Nothing holds it: a scale that has become 0, negative or no number is refused.
    """

    start: float = 1 / 0.03

    def __post_init__(self) -> None:
        """Checks the start."""
        check_positive(self.start)

    def first(self) -> float:
        """The parameter before training."""
        return self.start

    def of(self, parameter: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """What multiplies the cosines.

        Raises:
            TrainingError: the scale ranks no more.
        """
        if not parameter.detach() > 0:  # refuses nan too
            raise TrainingError(
                f"The learnt scale of the cosines has become {parameter.item():.3g}, expected a "
                "number > 0: with it the contrast rewards what does not match. Train with a lower "
                "rate, without decaying scalars, or with a learnt temperature."
            )
        return parameter


@dataclass(frozen=True, kw_only=True)
class LearntTemperature:
    """The temperature tau of MaCo's Eq. 3 is learnt, as its logarithm.

    So it stays above 0; and 1 / tau is held within 1 and 100, as CLIP holds it (Radford et al.,
    2021, section 2.5).
    """

    start: float = 0.03

    def __post_init__(self) -> None:
        """Checks the start."""
        check_positive(self.start)

    def first(self) -> float:
        """The parameter before training."""
        return math.log(1 / self.start)

    def of(self, parameter: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """What multiplies the cosines."""
        return parameter.clamp(0.0, math.log(100)).exp()


def check_positive(start: float) -> None:
    """Refuses a start that no temperature has.

    Raises:
        ConfigError: it is not above 0.
    """
    if not 0 < start < math.inf:
        raise ConfigError(f"start must be > 0, got {start}: temperature and scale are positive.")
