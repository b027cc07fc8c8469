"""The numbers that make one patient's chest differ from another's, and one visit from the next."""

from dataclasses import dataclass, replace

import numpy as np

from carina.phantom.randomness import generator


@dataclass(frozen=True, kw_only=True)
class Lung:
    """One lung's outline, in patient coordinates measured from the midline outwards."""

    apex: float
    base: float
    dome: float
    dome_at: float
    width: float
    upper_width: float
    medial: float


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One patient at one visit.

    Lengths are in patient coordinates (1 = half the picture), angles in radians.
    """

    sex: str
    age_years: int
    view: str
    fat: float
    muscle: float
    breast: float
    turn: float
    inspiration: float
    right: Lung
    left: Lung
    heart_radii: tuple[float, ...]
    heart_at: tuple[float, float]
    knob: float
    knob_at: tuple[float, float]
    descending: float
    mediastinum: float
    hila: float
    hila_at: float
    carina_at: float
    spine_width: float
    spine_bend: tuple[float, float]
    bone: float
    rib_slope: float
    rib_drop: float
    rib_width: float
    clavicle: float
    clavicle_rise: float
    scapula: float
    arms: float
    shoulders: float
    stomach: float
    vessel_seed: int
    vessels: float
    texture: float

    def lung(self, side: int) -> Lung:
        """The lung of a side: -1 is the patient's right, 1 the left."""
        return self.left if side > 0 else self.right


def draw_patient(seed: int, patient: int) -> Anatomy:
    """Draws the anatomy of a patient: a pure function of seed and patient number."""
    rng = generator(seed, "patient", patient, "anatomy")
    sex = "F" if rng.random() < 0.48 else "M"
    age = int(np.clip(rng.normal(57, 18), 18, 94))
    fat = float(np.clip(rng.gamma(2.2, 0.16), 0.03, 1.0))
    big = 1.0 if sex == "M" else 0.93
    old = (age - 50) / 45
    width = big * rng.normal(0.66, 0.045)
    length = rng.normal(1.0, 0.07)
    return Anatomy(
        sex=sex,
        age_years=age,
        view="PA",
        fat=fat,
        muscle=float(rng.uniform(0.2, 1.0) * big),
        breast=float(rng.uniform(0.25, 1.0) * (0.6 + 0.6 * fat)) if sex == "F" else 0.0,
        turn=0.0,
        inspiration=0.0,
        right=draw_lung(rng, width, length, right=True),
        left=draw_lung(rng, width, length, right=False),
        heart_radii=draw_heart(rng, width),
        heart_at=(float(rng.normal(0.07, 0.02)), float(rng.normal(-0.2, 0.025))),
        knob=float(np.clip(rng.normal(0.075 + 0.015 * old, 0.01), 0.05, 0.11)),
        knob_at=(float(rng.normal(0.083, 0.012)), float(rng.normal(-0.33, 0.03))),
        descending=float(np.clip(rng.normal(0.13 + 0.015 * old, 0.012), 0.1, 0.17)),
        mediastinum=float(np.clip(rng.normal(0.115, 0.014), 0.085, 0.15)),
        hila=float(rng.uniform(0.7, 1.25)),
        hila_at=float(rng.normal(-0.07, 0.025)),
        carina_at=float(rng.normal(-0.24, 0.025)),
        spine_width=float(rng.normal(0.085, 0.007)),
        spine_bend=(float(rng.normal(0, 0.012)), float(rng.uniform(-2, 2))),
        bone=float(np.clip(rng.normal(1.0 - 0.22 * max(old, 0), 0.14), 0.55, 1.35)),
        rib_slope=float(rng.normal(0.2, 0.05)),
        rib_drop=float(rng.normal(0.24, 0.035)),
        rib_width=float(rng.normal(0.044, 0.005)),
        clavicle=float(rng.normal(-0.56, 0.035)),
        clavicle_rise=float(rng.normal(0.1, 0.05)),
        scapula=float(rng.uniform(0.0, 1.0)),
        arms=float(rng.uniform(0, 1)),
        shoulders=float(rng.normal(-0.62, 0.04)),
        stomach=float(rng.random()),
        vessel_seed=int(rng.integers(2**31)),
        vessels=float(rng.uniform(0.75, 1.25)),
        texture=float(rng.uniform(0.6, 1.4)),
    )


def draw_lung(rng: np.random.Generator, width: float, length: float, *, right: bool) -> Lung:
    """One lung; the right dome stands higher than the left."""
    dome = rng.normal(0.43 if right else 0.47, 0.025) * length
    return Lung(
        apex=float(rng.normal(-0.75, 0.03) * length),
        base=float(dome + rng.normal(0.24, 0.03)),
        dome=float(dome),
        dome_at=float(rng.normal(0.3 if right else 0.34, 0.035)),
        width=float(width * rng.normal(1.0, 0.015)),
        upper_width=float(rng.normal(0.3, 0.05)),
        medial=float(rng.normal(0.045, 0.008)),
    )


def draw_heart(rng: np.random.Generator, width: float) -> tuple[float, ...]:
    """Radii of the heart at every 30 degrees from the patient's left, clockwise."""
    plain = np.array([0.3, 0.355, 0.31, 0.265, 0.245, 0.235, 0.245, 0.25, 0.27, 0.31, 0.31, 0.285])
    own = plain * (width / 0.66) * rng.normal(1.0, 0.05) * rng.normal(1.0, 0.03, 12)
    long = rng.normal(0, 0.06)
    own[[0, 1, 6, 7]] *= 1 + long
    own[[3, 9]] *= 1 - long
    return tuple(float(radius) for radius in own)


def draw_visit(patient: Anatomy, seed: int, number: int, visit: int, *, bedside: bool) -> Anatomy:
    """The same patient on another day: breath, rotation and view differ.

    Args:
        patient: what `draw_patient` gave.
        seed: the cohort's seed.
        number: the patient's number.
        visit: counts the patient's visits from 0.
        bedside: an AP radiograph in bed, with less breath and a wider heart.
    """
    rng = generator(seed, "patient", number, "visit", visit)
    breath = float(np.clip(rng.normal(-0.25 if bedside else 0.0, 0.22), -0.75, 0.4))
    turn = float(np.clip(rng.normal(0, 0.42 if bedside else 0.22), -1, 1))
    wide = 1.09 if bedside else 1.0
    heart = tuple(radius * wide * (1 - 0.06 * breath) for radius in patient.heart_radii)
    return replace(
        patient,
        view="AP" if bedside else "PA",
        inspiration=breath,
        turn=turn,
        right=breathe(patient.right, breath, -turn),
        left=breathe(patient.left, breath, turn),
        heart_radii=heart,
        heart_at=(patient.heart_at[0] + 0.03 * turn, heart_height(patient, breath)),
        scapula=float(np.clip(patient.scapula * 0.4 + (0.6 if bedside else 0.1), 0, 1)),
        arms=float(rng.random()),
    )


def heart_height(patient: Anatomy, breath: float) -> float:
    """The middle of the heart, which rests on the diaphragm."""
    domes = (patient.left.dome + patient.right.dome) / 2
    return patient.heart_at[1] + domes + 0.11 * breath


def breathe(lung: Lung, breath: float, turn: float) -> Lung:
    """Lowers the diaphragm with the breath, and widens the side turned to the detector."""
    return replace(
        lung,
        dome=lung.dome + 0.13 * breath,
        base=lung.base + 0.1 * breath,
        width=lung.width * (1 + 0.03 * breath + 0.02 * turn),
    )
