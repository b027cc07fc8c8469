"""What a manifest holds, counted; no file is opened."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from carina.studies.manifest import Manifest
from carina.studies.schema import SPLITS
from carina.studies.views import unknown_views

NO_SPLIT = "no split"
NO_VIEW = "not known"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What one manifest holds.

    `splits` and `reports` (those with text) count studies, `views` radiographs, all by name;
    `findings` counts studies: finding -> split -> present / absent / uncertain.
    """

    manifest: str
    studies: int
    patients: int
    radiographs: int
    empty_reports: int
    unknown_views: int
    splits: dict[str, int]
    patients_by_split: dict[str, int]
    reports: dict[str, int]
    views: dict[str, int]
    findings: dict[str, dict[str, dict[str, int]]]
    boxes: dict[str, int]
    masks: dict[str, int]


def count(manifest: Manifest) -> Counts:
    """Counts studies, patients, views and findings; opens no file."""
    studies = manifest.studies
    findings: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    patients = {(study.split or NO_SPLIT, study.patient_id) for study in studies}
    for study in studies:
        for finding in study.findings:
            findings[finding.name][study.split or NO_SPLIT][finding.value.value] += 1
    views = [radiograph.view for study in studies for radiograph in study.radiographs]
    return Counts(
        manifest=str(manifest.path),
        studies=len(studies),
        patients=len({study.patient_id for study in studies}),
        radiographs=len(views),
        empty_reports=sum(not study.report.text.strip() for study in studies),
        unknown_views=unknown_views(manifest),
        splits=_in_order(Counter(study.split or NO_SPLIT for study in studies)),
        patients_by_split=dict(Counter(split for split, _ in patients)),
        reports=dict(
            Counter(study.split or NO_SPLIT for study in studies if study.report.text.strip())
        ),
        views=dict(Counter(view or NO_VIEW for view in views)),
        findings={
            name: {split: dict(values) for split, values in splits.items()}
            for name, splits in findings.items()
        },
        boxes=dict(Counter(box.label for study in studies for box in study.boxes)),
        masks=dict(Counter(mask.label for study in studies for mask in study.masks)),
    )


def _in_order(splits: Mapping[str, int]) -> dict[str, int]:
    """The splits that there are: train, validate, test, then what has none."""
    return {name: splits[name] for name in (*SPLITS, NO_SPLIT) if name in splits}
