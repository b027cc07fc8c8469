"""`carina join`: several manifests as one."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina join cohort.parquet openi.parquet --out both.parquet",
    "carina join mimic.parquet chexpert.parquet nih.parquet --out all.parquet",
)
SHOWN_SOURCES = 20


def join(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests to put together.")],
    out: Annotated[Path, typer.Option(help="Manifest to write.")],
) -> None:
    """Puts manifests together, to train or measure on all of them; patients stay apart."""
    from carina.studies.joining import join_manifests
    from carina.studies.manifest import Manifest

    joined = join_manifests([Manifest.read(path) for path in manifests], out)
    sources = Counter(study.source for study in joined.studies).most_common()
    for source, studies in sources[:SHOWN_SOURCES]:
        print(f"{source}: {studies} studies")
    if len(sources) > SHOWN_SOURCES:
        print(f"... and {len(sources) - SHOWN_SOURCES} more sources")
    print(f"Written: {out}, {len(joined)} studies; paths start at {joined.root}")
    print(f"Look for patients in two splits: carina check {out}")
