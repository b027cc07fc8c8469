"""Findings that are spread unevenly over the splits of a manifest."""

import math
from collections.abc import Iterable, Iterator

from carina.studies.check_report import Imbalance
from carina.studies.counts import NO_SPLIT, Counts
from carina.study import Assertion

_FEWEST = 20
_RATIO = 1.5
_DEVIATIONS = 4.0
"""Of the difference of two shares: by chance alone, one in 16,000."""


def imbalances(counted: Iterable[Counts]) -> Iterator[Imbalance]:
    """Findings whose share of present in a split is far from that in the others.

    Far is a ratio of 1.5 that is no chance: four standard deviations of the difference of two
    shares, by the usual test with a common share. Findings of fewer than 20 studies are left out:
    chance spreads them anyhow.
    """
    for counts in counted:
        splits = {name: held for name, held in counts.splits.items() if name != NO_SPLIT}
        for finding, values in sorted(counts.findings.items()):
            present = {name: values.get(name, {}).get(Assertion.PRESENT, 0) for name in splits}
            for split, studies in splits.items():
                others = sum(splits.values()) - studies
                item = Imbalance(
                    manifest=counts.manifest,
                    finding=finding,
                    split=split,
                    present=present[split],
                    studies=studies,
                    others_present=sum(present.values()) - present[split],
                    others=others,
                )
                if others and sum(present.values()) >= _FEWEST and _far(item):
                    yield item


def _far(item: Imbalance) -> bool:
    here, there = item.present / item.studies, item.others_present / item.others
    common = (item.present + item.others_present) / (item.studies + item.others)
    deviation = math.sqrt(common * (1 - common) * (1 / item.studies + 1 / item.others))
    return max(here, there) >= _RATIO * min(here, there) and (
        abs(here - there) > _DEVIATIONS * deviation
    )
