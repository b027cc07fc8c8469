"""The findings that a phantom may have, and what is known of them beforehand."""

from dataclasses import dataclass

import numpy as np

UNSEEN = (
    "hydropneumothorax",
    "lung abscess",
    "miliary nodules",
    "empyema",
    "bullae",
)
"""Never in a training or validation patient. Each is built from attributes that occur there:
fluid and free air in the pleura, a cavity, an air-fluid level (hiatal hernia), many small
densities, a lens on the chest wall, thin-walled lucency."""

DIFFUSE = (
    "pulmonary edema",
    "emphysema",
    "fibrosis",
    "interstitial opacity",
    "scoliosis",
    "subcutaneous emphysema",
    "miliary nodules",
)
"""Spread so wide that a single point says nothing: no pointing game on these."""

FOCAL = (
    "pneumothorax",
    "pleural effusion",
    "consolidation",
    "atelectasis",
    "cardiomegaly",
    "nodule",
    "mass",
    "pleural thickening",
    "hiatal hernia",
    "rib fracture",
    "endotracheal tube",
    "central venous catheter",
    "pacemaker",
    "chest tube",
    "nasogastric tube",
    "sternal wires",
    "granuloma",
    "cavity",
    "hilar enlargement",
    "mediastinal widening",
    "elevated hemidiaphragm",
    "tortuous aorta",
    "hydropneumothorax",
    "lung abscess",
    "empyema",
    "bullae",
)
"""Have a place that can be pointed at."""

FINDINGS = tuple(sorted(FOCAL + DIFFUSE))
SEEN = tuple(name for name in FINDINGS if name not in UNSEEN)
IMPLIED = {
    "hydropneumothorax": ("pneumothorax", "pleural effusion"),
    "lung abscess": ("cavity",),
    "empyema": ("pleural effusion",),
}
"""What is true as well, by definition, where a finding is present."""

DEVICES = (
    "endotracheal tube",
    "central venous catheter",
    "pacemaker",
    "chest tube",
    "nasogastric tube",
    "sternal wires",
)


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """One finding as drawn.

    `side` is -1 for the patient's right, 1 for the left, 0 for both or the middle. `zone` is
    "upper", "middle", "lower" or "". `severity` runs from 1 to 3 (edema: 4). `conspicuity`,
    0.3 to 1, scales contrast; `extent`, 0 to 1, is the size within its severity.
    """

    name: str
    side: int
    zone: str
    severity: int
    extent: float
    conspicuity: float
    seed: int

    def random(self) -> np.random.Generator:
        """The lesion's own random numbers, from the start: the same whenever it is asked."""
        return np.random.Generator(np.random.Philox(key=self.seed))
