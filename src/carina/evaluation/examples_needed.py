"""How many studies a training with a share of the labels takes."""

from collections.abc import Sequence

from carina.evaluation.protocol import FineTuned, Protocol
from carina.evaluation.sources import any_drawn
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical
from carina.study import Assertion

EXPECTED = 3.0
"""So many patients of a kind are expected where a part mostly has one."""

ROUNDED_TO = 100
"""Numbers of studies are told in hundreds, upwards."""


def advice_on_examples(
    protocol: Protocol, task: FineTuned, studies: Manifest, every_name: bool
) -> str:
    """What to do about a manifest in which a share of the labels lacks examples.

    Args:
        protocol: that cannot be carried out.
        task: what it trains.
        studies: the manifest, with the parts of the protocol.
        every_name: every finding must have examples, not some one of them.
    """
    needed = studies_needed(task, studies, every_name)
    told = needed if needed > len(studies) else in_hundreds(2.0 * len(studies))
    if any_drawn(studies.studies):
        return (
            f"Draw more studies than these {len(studies):,}, for {protocol.name} about {told:,}: "
            f"`carina phantom FOLDER --studies {told} --layout {protocol.part.datasets[0]}`."
        )
    return (
        f"{protocol.name} takes about {told:,} studies as mixed as these {len(studies):,}: index "
        "more of the release, or take a protocol with a larger share of the labels."
    )


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
    return in_hundreds(most * len(studies))


def in_hundreds(number: float) -> int:
    """The whole hundred above a number."""
    return -(-int(number) // ROUNDED_TO) * ROUNDED_TO


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
