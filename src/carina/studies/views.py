"""Which radiographs of a study are frontal: models learn and are asked from those."""

from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest
from carina.study import Study

_FRONTAL = {"PA", "AP", "FRONTAL", "POSTEROANTERIOR", "ANTEROPOSTERIOR"}
_NOT_FRONTAL = {
    *("L", "LL", "RL", "LAT", "LATERAL", "LAO", "RAO", "LPO", "RPO"),
    *("OBLIQUE", "SWIMMERS", "COSTAL"),
}


def frontal_images(manifest: Manifest) -> list[tuple[int, int]]:
    """The frontal radiographs of a manifest as (study index, radiograph index), in order.

    A view that is not known is taken as frontal: releases without views hold frontal
    radiographs. `unknown_views` counts them.
    """
    return [
        (index, place)
        for index, study in enumerate(manifest.studies)
        for place, radiograph in enumerate(study.radiographs)
        if is_frontal(radiograph.view) is not False
    ]


def stored_frontals(manifest: Manifest, store: ImageStore) -> list[tuple[Study, int]]:
    """The frontal radiographs that a store holds as (study, radiograph index), in order."""
    frontals = ((manifest.studies[index], place) for index, place in frontal_images(manifest))
    return [(study, place) for study, place in frontals if study.radiographs[place].path in store]


def unknown_views(manifest: Manifest) -> int:
    """How many radiographs have no view that is known."""
    return sum(
        is_frontal(radiograph.view) is None
        for study in manifest.studies
        for radiograph in study.radiographs
    )


def is_frontal(view: str | None) -> bool | None:
    """Whether a view is frontal (PA, AP, AP Supine, ...); None where that cannot be told."""
    words = set((view or "").upper().replace("_", " ").replace("-", " ").split())
    if words & _NOT_FRONTAL:
        return False
    return True if words & _FRONTAL else None
