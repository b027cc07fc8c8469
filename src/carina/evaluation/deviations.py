"""How near an evaluation came to its protocol, in sentences."""

import hashlib
from collections.abc import Iterable, Sequence

from carina.datasets.plain_csv import CSV
from carina.evaluation.protocol import Protocol
from carina.evaluation.result import Evaluation
from carina.pages.table import metric_name
from carina.studies.manifest import Manifest

UNKNOWN_LISTS = (
    "The manifest is a table of one's own, or does not say which dataset it was indexed as: that "
    "its radiographs and parts are those of the protocol is taken on trust."
)

FEW = 10
"""Below so many positives an interval is too narrow (docs/metrics.md)."""

WITH_PREVALENCE = frozenset({"f1", "mcc", "accuracy", "average_precision", "accuracy_of_classes"})
"""Metrics that change with the share of positives, the model being what it is."""


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


def digest_of_names(names: Iterable[str]) -> str:
    """SHA-256 of names, one a line."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
