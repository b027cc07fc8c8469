"""How a phantom cohort lies on disk.

```
OUT/
  manifest.csv                     one row a study, in the order of the study index
  README.txt                       says that everything is synthetic
  settings.json                    the PhantomConfig that it was drawn from
  images/<patient_id>/<study_id>.png (or .dcm)
  masks/<study_id>/<finding with underscores>.png
```
"""

MANIFEST = "manifest.csv"
README = "README.txt"
SETTINGS = "settings.json"
PARTS = ".parts"
LOCK = ".lock"
IMAGES = "images"
MASKS = "masks"
SOURCE = "phantom"
LICENCE = "synthetic"
NOTICE = "Synthetic radiograph drawn by carina.phantom. It shows no person."
COLUMNS = (
    "image",
    "patient_id",
    "study_id",
    "view",
    "report",
    "findings",
    "absent",
    "split",
    "masks",
    "boxes",
    "severity",
    "sex",
    "age",
    "width",
    "height",
    "source",
    "licence",
)
"""`findings` and `absent` are joined by ";", `masks`, `boxes` and `severity` are JSON."""


def mask_path(study_id: str, finding: str) -> str:
    """Where a mask lies, relative to the cohort's folder."""
    return f"{MASKS}/{study_id}/{finding.replace(' ', '_')}.png"


def image_path(patient_id: str, study_id: str, suffix: str) -> str:
    """Where a radiograph lies, relative to the cohort's folder; `suffix` is .png or .dcm."""
    return f"{IMAGES}/{patient_id}/{study_id}{suffix}"
