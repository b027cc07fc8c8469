"""Which radiographs of manifests look wrong."""

from collections.abc import Iterator, Mapping, Sequence

from carina.imaging.doubts import Doubt, DoubtKind, doubts_about
from carina.imaging.views import LATERAL
from carina.studies.check_report import DoubtfulPicture
from carina.studies.examination import Examined
from carina.studies.leaks import place_of
from carina.studies.manifest import Manifest
from carina.studies.views import is_frontal

_OF_FRONTAL_FILMS = {
    *(DoubtKind.INVERTED, DoubtKind.TURNED, DoubtKind.MIRRORED, DoubtKind.UNLIKE),
}


def doubtful_pictures(
    manifests: Sequence[Manifest], examined: Mapping[str, Examined]
) -> Iterator[DoubtfulPicture]:
    """The radiographs that look wrong, in order of the manifests.

    What is known to be no frontal view is judged only for being blank, broken and the like.
    """
    seen = {path: file.glance for path, file in examined.items() if file.glance is not None}
    judged = dict(zip(seen, doubts_about(list(seen.values())), strict=True))
    for manifest in manifests:
        for study in manifest.studies:
            for radiograph in study.radiographs:
                path = str(manifest.absolute(radiograph.path))
                frontal = is_frontal(radiograph.view) is not False
                doubts = tuple(
                    doubt
                    for doubt in judged.get(path, ())
                    if frontal or doubt.kind not in _OF_FRONTAL_FILMS
                )
                if frontal and examined[path].view == LATERAL:
                    doubts = (*doubts, _called_lateral(radiograph.view))
                if doubts:
                    place = place_of(manifest, study, radiograph.path)
                    yield DoubtfulPicture(place=place, doubts=doubts)


def _called_lateral(view: str | None) -> Doubt:
    said = f"the manifest says {view}" if view else "the manifest names no view"
    return Doubt(kind=DoubtKind.LATERAL, reason=f"the file calls itself lateral, {said}")
