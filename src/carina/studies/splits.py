"""Splits by patient, drawn from a hash: the same on any machine and when studies are added."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from carina.errors import ConfigError, ManifestError
from carina.study import Study


@dataclass(frozen=True, kw_only=True)
class SplitShares:
    """How large each split is to be; the three add up to 1."""

    train: float = 0.7
    validate: float = 0.1
    test: float = 0.2

    def __post_init__(self) -> None:
        """Checks that the shares are shares."""
        shares = (self.train, self.validate, self.test)
        if not all(share >= 0 for share in shares) or not math.isclose(sum(shares), 1):
            raise ConfigError(f"The shares of the splits are {shares}; expected to add up to 1.")


def split_of_patient(patient_id: str, seed: int, shares: SplitShares) -> str:
    """The split of a patient: a pure function of the seed, the patient and the shares."""
    digest = hashlib.sha256(f"carina split {seed}: {patient_id}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < shares.train:
        return "train"
    return "validate" if position < shares.train + shares.validate else "test"


def split_by_patient(
    studies: Sequence[Study], seed: int, shares: SplitShares | None = None
) -> tuple[Study, ...]:
    """Gives a split to the studies that have none.

    A study without one joins the other studies of its patient where these have one; so a
    patient is never torn apart.

    Raises:
        ManifestError: a patient already stands in two splits.
    """
    shares = shares or SplitShares()
    known = _known_splits(studies)
    return tuple(
        study
        if study.split is not None
        else replace(
            study,
            split=known.get(study.patient_id) or split_of_patient(study.patient_id, seed, shares),
        )
        for study in studies
    )


def _known_splits(studies: Sequence[Study]) -> dict[str, str]:
    known: dict[str, str] = {}
    for study in studies:
        if study.split is None:
            continue
        if known.setdefault(study.patient_id, study.split) != study.split:
            raise ManifestError(
                f"Patient {study.patient_id!r} stands in the splits {known[study.patient_id]!r} "
                f"and {study.split!r}; a patient belongs to one. `carina check` lists them all."
            )
    return known
