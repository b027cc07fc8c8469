"""The synthetic cohort that `carina phantom` writes."""

from carina.datasets.declaration import Dataset
from carina.datasets.plain_csv import read_csv
from carina.phantom.layout import IMAGES, LICENCE, MANIFEST

PHANTOM = Dataset(
    name="phantom",
    source="synthetic radiographs and reports with known truth; see docs/phantom.md",
    licence=LICENCE,
    layout=(MANIFEST, f"{IMAGES}/"),
    read=read_csv,
)
