"""How near an evaluation came to its protocol, in sentences."""

import hashlib
from collections.abc import Iterable, Sequence

from carina.datasets.plain_csv import CSV
from carina.evaluation.protocol import FineTuned, Protocol
from carina.evaluation.result import Evaluation
from carina.pages.table import metric_name
from carina.phantom import layout
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical
from carina.study import Assertion

SYNTHETIC = (
    "Every radiograph is synthetic: drawn by `carina phantom` in the files of this release. The "
    "numbers tell that the protocol runs, and nothing of patients."
)
UNKNOWN_LISTS = (
    "The manifest is a table of one's own, or does not say which dataset it was indexed as: that "
    "its radiographs and parts are those of the protocol is taken on trust."
)

FEW = 10
"""Below so many positives an interval is too narrow (docs/metrics.md)."""

EXPECTED = 3.0
"""So many patients of a kind are expected where a part mostly has one."""

WITH_PREVALENCE = frozenset({"f1", "mcc", "accuracy", "average_precision", "accuracy_of_classes"})
"""Metrics that change with the share of positives, the model being what it is."""


def is_synthetic(manifest: Manifest) -> bool:
    """Whether the radiographs were drawn: a synthetic release says so beside or above them."""
    notices = (folder / layout.README for folder in (manifest.root, manifest.root.parent))
    return any(
        path.is_file() and path.read_text(encoding="utf-8").startswith(layout.NOTICE)
        for path in notices
    )


def taken_on_trust(manifest: Manifest) -> bool:
    """Whether nothing tells which lists the parts are of: a table of one's own, or no record."""
    return manifest.dataset in (None, CSV.name)


def part_deviations(names: Sequence[str], protocol: Protocol, manifest: Manifest) -> list[str]:
    """How the scored radiographs differ from those of the paper."""
    part, lines = protocol.part, []
    if taken_on_trust(manifest) and manifest.dataset not in part.datasets:
        lines.append(UNKNOWN_LISTS)
    if part.images is not None and part.images != len(names):
        lines.append(f"{len(names):,} radiographs scored, {part.images:,} in the paper.")
        common = [metric_name(one) for one in protocol.metrics if one in WITH_PREVALENCE]
        if common:
            lines.append(
                f"{', '.join(common)}: depends on how common a finding is, so on which radiographs "
                "are scored, not on the model alone."
            )
    elif part.digest is not None and part.digest != digest_of_names(names):
        lines.append("As many radiographs as in the paper, but others (their digest differs).")
    return lines


def size_deviations(input_size: int, protocol: Protocol) -> list[str]:
    """Whether the model sees more or less than the paper's."""
    if input_size == protocol.input_size:
        return []
    return [f"The model sees {input_size} pixels, the paper's {protocol.input_size}."]


def threshold_deviations(evaluation: Evaluation, protocol: Protocol) -> list[str]:
    """Whether thresholds are missing that the paper's metrics need."""
    needing = {"mcc", "f1", "accuracy"} & set(protocol.metrics)
    bare = [name for name, score in evaluation.thresholds.items() if score.value is None]
    if not needing or not bare:
        return []
    whose = "any finding" if len(bare) == len(evaluation.thresholds) else shortened(bare)
    return [f"No threshold for {whose}: {evaluation.thresholds[bare[0]].reason}."]


def list_deviations(names: Sequence[str], listed: Sequence[str]) -> list[str]:
    """What of a protocol's list the data do not have at all, so that it was not trained."""
    without = [name for name in names if name not in listed]
    return [f"The data list no {shortened(without)}: left out of training too."] if without else []


def description_deviations(bare: Sequence[str]) -> list[str]:
    """What was asked by name for want of a description."""
    if not bare:
        return []
    return [f"Asked by name, for there is no description: {shortened(bare)}."]


def finding_deviations(evaluation: Evaluation) -> list[str]:
    """Which findings are no part of the mean, and which rest on few radiographs."""
    positives = evaluation.positives
    if len(positives) < 2:
        return []
    none = [name for name, number in positives.items() if not number]
    few = [name for name, number in positives.items() if 0 < number < FEW]
    lines = []
    if none:
        lines.append(
            f"The mean is over {len(positives) - len(none)} of {len(positives)} findings: no "
            f"radiograph here shows {shortened(none)}."
        )
    if few:
        lines.append(f"Fewer than {FEW} radiographs show {shortened(few)}.")
    return lines


def shortened(names: Sequence[str]) -> str:
    """All names, or the first eight and how many there are."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{', '.join(names[:8])}{more}"


def studies_needed(task: FineTuned, studies: Manifest, every_name: bool) -> int:
    """How many studies, as mixed as these, give a training share and a validation part examples.

    In hundreds: so many that `EXPECTED` patients with the finding, and as many without, are to be
    expected in either part.

    Args:
        task: what is trained.
        studies: a manifest that turned out too small.
        every_name: every finding must have examples, not some one of them.
    """
    patients = [
        len({one.patient_id for one in studies.studies if one.split == part})
        for part in ("train", "validate")
    ]
    shares = rarities(studies, task.names) or [0.5]
    needed = EXPECTED / (min(shares) if every_name else max(shares))
    most = max(needed / max(number, 0.5) for number in (patients[0] * task.fraction, patients[1]))
    return -(-int(most * len(studies)) // 100) * 100


def rarities(studies: Manifest, names: Sequence[str]) -> list[float]:
    """Of each finding that anybody has: the share of patients with it, or without, if smaller."""
    everybody = {one.patient_id for one in studies.studies}
    having: dict[str, set[str]] = {canonical(name): set() for name in names}
    for study in studies.studies:
        for finding in study.findings:
            if finding.value is Assertion.PRESENT and canonical(finding.name) in having:
                having[canonical(finding.name)].add(study.patient_id)
    found = [len(some) / len(everybody) for some in having.values()]
    return [min(share, 1 - share) for share in found if 0 < share < 1]


def digest_of_names(names: Iterable[str]) -> str:
    """SHA-256 of names, one a line."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
