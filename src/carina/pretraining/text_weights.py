"""What each token of a text is worth in the loss; each way is a class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carina.errors import ConfigError
from carina.pretraining.text_marks import Marked

Weights = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RebalancedWeights:
    """Descriptors of what is denied count `negative`, the others so much more: ECAMP, eq. 3.

    The weights of a text's descriptors add up to their number. Where all of them are negative
    nothing can be made up for, and they count `negative`.
    """

    negative: float = 0.05

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_negative(self.negative)

    def weigh(self, marked: Marked) -> Weights:
        """One weight a position."""
        denied = marked.descriptors & marked.denied
        other = marked.descriptors & ~marked.denied
        negatives, others = count(denied), count(other)
        share = (negatives + others - self.negative * negatives) / np.maximum(others, 1)
        weights = np.where(other, share, 1.0)
        weights[denied] = self.negative
        return weights.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class PhraseWeights:
    """Tokens of "there is no (evidence of)" count `negative`: ECAMP's published code.

    Descriptors, inside such phrases or not, are multiplied so that the weights of phrases and
    descriptors add up to their number; where a text has no descriptors, all its positions are.
    """

    negative: float = 0.05

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_negative(self.negative)

    def weigh(self, marked: Marked) -> Weights:
        """One weight a position, padding included."""
        less = 1 - self.negative
        phrases, descriptors = count(marked.denied), count(marked.descriptors)
        both = count(marked.denied & marked.descriptors)
        weights = np.where(marked.denied, self.negative, 1.0)
        more = (less * (phrases - both) + descriptors) / np.maximum(descriptors - less * both, 1e-9)
        weights *= np.where((phrases > 0) & marked.descriptors, more, 1.0)
        whole = marked.limit / (marked.limit - less * phrases)
        weights *= np.where((phrases > 0) & (descriptors == 0), whole, 1.0)
        return weights.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class EvenWeights:
    """Every token counts 1: ECAMP's Table 4 without RF."""

    def weigh(self, marked: Marked) -> Weights:
        """Ones."""
        return np.ones(marked.ids.shape, dtype=np.float32)


def count(flags: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How many tokens of each text: (texts, 1)."""
    return np.asarray(flags.sum(axis=1, keepdims=True, dtype=np.float64))


def check_negative(value: float) -> None:
    """Refuses a weight that turns the balance round.

    Raises:
        ConfigError: it is not above 0, or above 1.
    """
    if not 0 < value <= 1:  # refuses nan too
        raise ConfigError(
            f"the weight of negative phrases must be above 0 and at most 1, got {value}: it makes "
            "denials count less."
        )
