"""Which releases hold films of which others: what is known of it before anything is compared.

Several test sets of the field were drawn from a training set of the field. Where both keep the
names of their patients, a manifest tells (MS-CXR and the grades of edema call their source
`mimic-cxr`). Where films were given new names, only the pictures tell, so it must be known where
to look.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carina.studies.manifest import Manifest

_BY_PICTURE = "its films have new names, so only pictures tell which"


@dataclass(frozen=True, kw_only=True)
class Kinship:
    """Films of the source `inner` were taken from the source `outer`; `told` says how one sees."""

    inner: str
    outer: str
    told: str


KINSHIPS = (
    Kinship(
        inner="rsna",
        outer="chestxray14",
        told="with the published mapping beside its table by patient, else only pictures tell",
    ),
    Kinship(inner="siim", outer="chestxray14", told=_BY_PICTURE),
    Kinship(inner="chestx-det10", outer="chestxray14", told=_BY_PICTURE),
    Kinship(inner="chestx-det", outer="chestxray14", told=_BY_PICTURE),
    Kinship(inner="chestx-det10", outer="chestx-det", told="by the names of its films"),
    Kinship(
        inner="covidx",
        outer="rsna",
        told="the part that it took from there; " + _BY_PICTURE,
    ),
    Kinship(
        inner="covidx",
        outer="chestxray14",
        told="the part that it took from RSNA's challenge; " + _BY_PICTURE,
    ),
)
"""Sources: Shih et al. 2019 (RSNA), the challenge's page (SIIM-ACR), Lian et al. 2021 (ChestX-Det),
Wang et al. 2020 (COVIDx)."""

FAMILY = {
    "rsna": "chestxray14",
    "siim": "chestxray14",
    "chestx-det": "chestxray14",
    "chestx-det10": "chestxray14",
}
"""Sources whose patients, where they go by the names that these have there, are the same."""


@dataclass(frozen=True, kw_only=True)
class Related:
    """Two manifests whose sources are kin, and what was found of it.

    `asked` counts the radiographs of `inner` that may be meant, `radiographs` those of them whose
    pictures stand in `outer`, and `patients` those that go by one name in both.
    """

    inner: str
    outer: str
    kinship: Kinship
    radiographs: int
    patients: int
    asked: int


def family_of(source: str) -> str:
    """The source that names the patients of a source; its own name where no other does."""
    return FAMILY.get(source, source)


def kinships_of(manifest: Manifest, other: Manifest) -> Iterator[Kinship]:
    """How the films of one manifest are known to stand in another's release."""
    inner, outer = sources_of(manifest), sources_of(other)
    for kinship in KINSHIPS:
        if kinship.inner in inner and kinship.outer in outer:
            yield kinship


def sources_of(manifest: Manifest) -> set[str]:
    """The sources of a manifest's studies."""
    return {study.source for study in manifest.studies}


def kin(sources: Sequence[str], others: Sequence[str]) -> Kinship | None:
    """The first kinship between two sets of sources, either way round, or None."""
    for one in KINSHIPS:
        if (one.inner in sources and one.outer in others) or (
            one.outer in sources and one.inner in others
        ):
            return one
    return None
