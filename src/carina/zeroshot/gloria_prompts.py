"""The words from which GLoRIA combines its prompts.

Source: Huang et al., ICCV 2021, and the published code (Apache-2.0), whose lists are kept as they
are, slips of the pen included. The code draws five combinations a finding; here all are used, so
that nothing depends on a draw.
"""

from collections.abc import Mapping, Sequence
from itertools import product

ZONES = ("mid lung zone", "upper lung zone", "right lung zone", "left lung zone")
BASES = ("lung bases", "right lung base", "left lung base", "bilateral lung bases")

WORDS: Mapping[str, Sequence[Sequence[str]]] = {
    "atelectasis": (
        ("", "mild", "minimal"),
        tuple(
            f"{kind} atelectasis"
            for kind in (
                *("subsegmental", "linear", "trace", "bibasilar", "retrocardiac", "bandlike"),
                "residual",
            )
        ),
        tuple(f"at the {x}" for x in (*ZONES, *BASES, "left lower lobe", "right lower lobe")),
    ),
    "cardiomegaly": (
        (
            "cardiac silhouette size is upper limits of normal",
            "cardiomegaly which is unchanged",
            "mildly prominent cardiac silhouette",
            "portable view of the chest demonstrates stable cardiomegaly",
            "portable view of the chest demonstrates mild cardiomegaly",
            "persistent severe cardiomegaly",
            "heart size is borderline enlarged",
            "cardiomegaly unchanged",
            "heart size is at the upper limits of normal",
            "redemonstration of cardiomegaly",
            "ap erect chest radiograph demonstrates the heart size is the upper limits of normal",
            "cardiac silhouette size is mildly enlarged",
            "mildly enlarged cardiac silhouette, likely left ventricular enlargement. other "
            "chambers are less prominent",
            "heart size remains at mildly enlarged",
            "persistent cardiomegaly with prominent upper lobe vessels",
        ),
    ),
    "consolidation": (
        ("", "increased", "improved", "apperance of"),
        tuple(
            f"{kind} consolidation"
            for kind in ("bilateral", "reticular", "retrocardiac", "patchy", "airspace", "partial")
        ),
        tuple(
            f"at the {place}"
            for place in (
                *("lower lung zone", "upper lung zone", "left lower lobe", "right lower lobe"),
                *("left upper lobe", "right uppper lobe", "right lung base", "left lung base"),
            )
        ),
    ),
    "edema": (
        ("", "mild", "improvement in", "presistent", "moderate", "decreased"),
        ("pulmonary edema", "trace interstitial edema", "pulmonary interstitial edema"),
    ),
    "pleural effusion": (
        ("", "small", "stable", "large", "decreased", "increased"),
        ("left", "right", "tiny"),
        ("bilateral pleural effusion", "subpulmonic pleural effusion"),
    ),
}
"""Finding -> the lists of which a prompt takes one entry each, in this order."""


def combinations(lists: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Every way to take one entry of each list, joined by spaces."""
    return tuple(" ".join(part for part in parts if part) for parts in product(*lists))
