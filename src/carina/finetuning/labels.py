"""Labels of images for a task, and what an uncertain label is taken for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from carina.errors import ExamplesError, ManifestError
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest
from carina.studies.truth import Unmentioned, canonical, listed_findings, plain, truth_of
from carina.studies.views import stored_frontals
from carina.study import Assertion, Finding, Study

UncertaintyPolicy = Callable[[Assertion], Assertion]
"""What an assertion counts as."""


def uncertain_is_unknown(value: Assertion) -> Assertion:
    """Left out of the loss: CheXpert's U-Ignore (Irvin et al., AAAI 2019, section 3)."""
    return value


def uncertain_is_absent(value: Assertion) -> Assertion:
    """CheXpert's U-Zeros."""
    return Assertion.ABSENT if value is Assertion.UNCERTAIN else value


def uncertain_is_present(value: Assertion) -> Assertion:
    """CheXpert's U-Ones."""
    return Assertion.PRESENT if value is Assertion.UNCERTAIN else value


UNCERTAINTY: dict[str, UncertaintyPolicy] = {
    "ignore": uncertain_is_unknown,
    "zeros": uncertain_is_absent,
    "ones": uncertain_is_present,
}
"""Every policy by its name on the command line."""


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Frontal radiographs of a part of a manifest and what is known of them.

    `keys` are paths in the manifest, `labels` [images, findings] 1, 0 or nan (unknown).
    """

    keys: tuple[str, ...]
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    labels: Float[np.ndarray, "images findings"]

    @classmethod
    def of(
        cls, images: Sequence[tuple[Study, int]], labels: Float[np.ndarray, "images findings"]
    ) -> "LabelledImages":
        """Radiographs given as (study, radiograph index)."""
        return cls(
            keys=tuple(study.radiographs[place].path for study, place in images),
            studies=tuple(study.study_id for study, _ in images),
            patients=tuple(study.patient_id for study, _ in images),
            labels=labels,
        )

    def of_rows(self, rows: Sequence[int]) -> "LabelledImages":
        """Some of the images."""
        return LabelledImages(
            keys=tuple(self.keys[row] for row in rows),
            studies=tuple(self.studies[row] for row in rows),
            patients=tuple(self.patients[row] for row in rows),
            labels=self.labels[list(rows)],
        )

    def of_patients(self, patients: frozenset[str]) -> "LabelledImages":
        """The images of some of the patients."""
        return self.of_rows([row for row, one in enumerate(self.patients) if one in patients])


def labelled_images(
    part: Manifest,
    everything: Manifest,
    findings: Sequence[str],
    store: ImageStore,
    *,
    unmentioned: Unmentioned,
    uncertainty: UncertaintyPolicy,
) -> LabelledImages:
    """The stored frontal radiographs of a part that say something of the findings.

    An image of which no finding is known is left out: it cannot teach anything.

    Args:
        part: whose images.
        everything: the whole manifest, to see whether absences are listed at all.
        findings: names in any form.
        store: the pictures.
        unmentioned: the truth of a finding that a study does not list.
        uncertainty: what an uncertain finding is taken for.

    Raises:
        ExamplesError: no image has a known label.
        ManifestError: a study contradicts itself.
    """
    images = stored_frontals(part, store)
    check_labels_agree([study for study, _ in images], findings, str(part.path))
    decided = [with_policy(study, uncertainty) for study, _ in images]
    truth = truth_of(decided, findings, everything.studies, unmentioned)
    rows = np.flatnonzero(np.isfinite(truth.values).any(axis=1))
    if not len(rows):
        raise ExamplesError(
            f"{part.path}: none of {len(images)} stored frontal radiographs has a known label of "
            f"{', '.join(findings)}; expected some.",
            "Name findings that the manifest lists: "
            f"{', '.join(listed_findings(everything.studies)) or 'it lists none'}.",
        )
    return LabelledImages.of([images[row] for row in rows], truth.values[rows])


def check_labels_agree(studies: Sequence[Study], findings: Sequence[str], where: str) -> None:
    """Refuses studies that list one finding twice, with different values.

    Raises:
        ManifestError: names the first.
    """
    wanted = {canonical(name) for name in findings}
    odd: list[str] = []
    for study in studies:
        said: dict[str, Assertion] = {}
        for finding in study.findings:
            name = plain(finding.name)
            if canonical(name) in wanted and said.setdefault(name, finding.value) != finding.value:
                odd.append(f"{study.study_id!r} with {name} both {said[name]} and {finding.value}")
                break
    if odd:
        raise ManifestError(
            f"{where}: {len(set(odd))} studies have two labels of one finding, such as {odd[0]}; "
            "expected one. Correct the table that they come from and index it again."
        )


def named_findings(studies: Sequence[Study]) -> tuple[str, ...]:
    """Every finding that the studies list, "normal" and the like included, in canonical form."""
    return tuple(sorted({canonical(one.name) for study in studies for one in study.findings}))


def with_policy(study: Study, policy: UncertaintyPolicy) -> Study:
    """The study with its uncertain findings decided."""
    decided = tuple(Finding(name=f.name, value=policy(f.value)) for f in study.findings)
    return replace(study, findings=decided)


def check_examples(images: LabelledImages, findings: Sequence[str], where: str) -> None:
    """Refuses findings that lack a present or an absent example.

    Raises:
        ExamplesError: names each and what it lacks.
    """
    lacking = without_example(images, findings)
    if lacking:
        raise ExamplesError(
            f"{where}: {len(images.keys)} images of {len(set(images.patients))} patients, without "
            f"an example of each kind for {'; '.join(lacking)}.",
            "Name the findings to train with --finding, or give this part more patients: of "
            "training ones, a larger --fraction.",
        )


def check_some_examples(images: LabelledImages, findings: Sequence[str], where: str) -> None:
    """Refuses images that have an example of each kind for none of the findings.

    Where a whole list is measured, as the papers do, rare findings of a small share of the labels
    are learnt from what there is, were it absent examples alone.

    Raises:
        ExamplesError: names each and what it lacks.
    """
    if len(without_example(images, findings)) == len(findings):
        check_examples(images, findings, where)


def without_example(images: LabelledImages, findings: Sequence[str]) -> list[str]:
    """The findings that lack a present or an absent example, with the number of each."""
    lacking = []
    for column, name in enumerate(findings):
        present = int((images.labels[:, column] == 1).sum())
        absent = int((images.labels[:, column] == 0).sum())
        if not present or not absent:
            lacking.append(f"{canonical(name)} ({present} present, {absent} absent)")
    return lacking
