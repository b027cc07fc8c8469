"""Where the radiographs of an evaluation come from: drawn ones are told from those of patients."""

from collections.abc import Iterable

from carina.evaluation.result import Settings
from carina.phantom import layout
from carina.study import Study

SOURCES = "sources"
"""The setting of an evaluation that lists the sources of what was scored."""

SYNTHETIC = (
    "Synthetic radiographs, drawn by `carina phantom`: the numbers tell that everything runs, and "
    "nothing of patients."
)


def sources_of(studies: Iterable[Study]) -> list[str]:
    """The sources of studies, sorted; of a synthetic copy such as "phantom as chestxray14"."""
    return sorted({_source(study) for study in studies})


def _source(study: Study) -> str:
    if study.licence != layout.LICENCE or study.source == layout.SOURCE:
        return study.source
    return f"{layout.SOURCE} as {study.source}"


def any_drawn(studies: Iterable[Study]) -> bool:
    """Whether any of the studies was drawn."""
    return any(study.licence == layout.LICENCE for study in studies)


def has_synthetic(settings: Settings) -> bool:
    """Whether any of the radiographs that were scored was drawn."""
    return any(source.startswith(layout.SOURCE) for source in settings.get(SOURCES, ()))
