"""Splits by a published rule, or drawn where a release has no validation part."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carina.studies.splits import SplitShares, split_of_patient

VALIDATION_SEED = 0
TRAIN_AND_VALIDATE = SplitShares(train=7 / 8, validate=1 / 8, test=0.0)


def train_or_validate(patient_id: str) -> str:
    """The split of a patient of a training part: an eighth validates, the same on any machine."""
    return split_of_patient(patient_id, VALIDATION_SEED, TRAIN_AND_VALIDATE)


@dataclass(frozen=True, kw_only=True)
class ShuffledSplit:
    """A split by two shuffles, as much published code makes it with scikit-learn.

    The sorted ids are shuffled with seed 0 and `held_out` of them, rounded up, are set aside;
    these are shuffled with seed 0 again and halved, the first half of the shuffle (rounded up)
    validating. Source: `train_test_split` of scikit-learn, twice, and NumPy's first generator,
    whose stream never changes.
    """

    held_out: float

    def parts(self, ids: Sequence[str]) -> dict[str, str]:
        """Id -> split, whatever the order of the ids."""
        rest, train = _two_parts(sorted(ids), self.held_out)
        validate, test = _two_parts(rest, 0.5)
        return {
            **dict.fromkeys(train, "train"),
            **dict.fromkeys(validate, "validate"),
            **dict.fromkeys(test, "test"),
        }


def _two_parts(ids: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """The share of the ids that a shuffle puts first, and the others, both in its order."""
    order = np.random.RandomState(0).permutation(len(ids))
    first = math.ceil(share * len(ids))
    return [ids[place] for place in order[:first]], [ids[place] for place in order[first:]]
