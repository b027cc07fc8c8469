"""Cross-validation by patient: every patient is tested once, by a model that never saw them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from carina.errors import ManifestError
from carina.finetuning.fractions import nested_order
from carina.study import Study

FEWEST = 3
"""Folds: one to test on, one to validate on, and at least one to train on."""


def folds_of(strata: Mapping[str, int], folds: int, seed: int, where: str) -> dict[str, int]:
    """The fold of each patient, 0 to `folds` - 1: of equal size but for one, and equally mixed.

    Args:
        strata: every patient and the stratum it belongs to.
        folds: how many.
        seed: of the order in which patients are dealt out.
        where: what the patients are of, for the message.

    Raises:
        ManifestError: fewer patients than folds.
    """
    if len(strata) < folds:
        raise ManifestError(
            f"{where}: {len(strata)} patients with known truth for {folds} folds; expected at "
            "least one a fold. Take fewer folds."
        )
    shuffled = nested_order(dict.fromkeys(strata, 0), seed)
    dealt = sorted(shuffled, key=lambda patient: strata[patient])  # one stratum after another
    return {patient: place % folds for place, patient in enumerate(dealt)}


def check_pictures(studies: Sequence[Study], where: str) -> None:
    """Refuses a picture of two patients: it could be trained on in one fold and tested in another.

    Raises:
        ManifestError: names the first.
    """
    patient_of: dict[str, str] = {}
    shared = [
        (radiograph.path, patient_of[radiograph.path], study.patient_id)
        for study in studies
        for radiograph in study.radiographs
        if patient_of.setdefault(radiograph.path, study.patient_id) != study.patient_id
    ]
    if shared:
        path, one, other = shared[0]
        raise ManifestError(
            f"{where}: {len(shared)} pictures are of two patients, such as {path!r} of {one!r} and "
            f"{other!r}; expected one patient each, for folds are divided by patient. Correct the "
            "table that they come from and index it again."
        )


def divided(
    studies: Sequence[Study], fold_of: Mapping[str, int], fold: int, folds: int
) -> tuple[Study, ...]:
    """The studies with the splits of one round of cross-validation.

    Fold `fold` is the test part, the next one the validation part, the rest is trained on. The
    splits that the studies came with do not count; a patient without a fold is in no part.
    """
    parts = {fold: "test", (fold + 1) % folds: "validate"}
    return tuple(
        replace(
            study,
            split=parts.get(fold_of[study.patient_id], "train")
            if study.patient_id in fold_of
            else None,
        )
        for study in studies
    )
