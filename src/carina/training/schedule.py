"""Learning rates: pure functions of the step."""

import math
from dataclasses import dataclass

from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long a training is: `steps` in all, `steps_per_epoch` of them in one pass."""

    steps: int
    steps_per_epoch: int


def half_cosine(progress: float) -> float:
    """Falls from 1 at progress 0 to 0 at progress 1."""
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@dataclass(frozen=True, kw_only=True)
class WarmupCosine:
    """Rises in a straight line from `start_rate`, then falls along a half cosine to `end_rate`.

    `warmup_share` in [0, 1) is the part of all steps that the rise takes; KAD's paper warms up
    for 5 of 50 epochs.
    """

    warmup_share: float = 0.1
    start_rate: float = 0.0
    end_rate: float = 0.0

    def __post_init__(self) -> None:
        """Checks the share."""
        if not 0 <= self.warmup_share < 1:
            raise ConfigError(f"warmup_share must be in [0, 1), got {self.warmup_share}.")

    def rate(self, step: int, peak: float, length: Length) -> float:
        """The rate of the optimiser's step number `step`, from 0."""
        warmup = round(self.warmup_share * length.steps)
        if step < warmup:
            return self.start_rate + (peak - self.start_rate) * (step + 1) / warmup
        progress = (step - warmup) / max(1, length.steps - warmup)
        return self.end_rate + (peak - self.end_rate) * half_cosine(progress)


@dataclass(frozen=True, kw_only=True)
class StoppedCosine:
    """Rises in a straight line from 0, then falls along a half cosine that it leaves early.

    `warmup_share` in [0, 1) is the part of all steps that the rise takes, `fall_share` in (0, 1]
    the part of the half cosine that is behind it at the end: ECAMP's published code warms up for
    40 epochs and stops after 120, on a curve made for 200.
    """

    warmup_share: float = 40 / 120
    fall_share: float = 80 / 160

    def __post_init__(self) -> None:
        """Checks the shares."""
        if not 0 <= self.warmup_share < 1:
            raise ConfigError(f"warmup_share must be in [0, 1), got {self.warmup_share}.")
        if not 0 < self.fall_share <= 1:
            raise ConfigError(f"fall_share must be in (0, 1], got {self.fall_share}.")

    def rate(self, step: int, peak: float, length: Length) -> float:
        """The rate of the optimiser's step number `step`, from 0."""
        warmup = round(self.warmup_share * length.steps)
        if step < warmup:
            return peak * (step + 1) / warmup
        progress = (step - warmup) / max(1, length.steps - warmup)
        return peak * half_cosine(progress * self.fall_share)


@dataclass(frozen=True, kw_only=True)
class WarmupStepsCosine:
    """peak x (step + 1) / warmup_steps, then a half cosine to 0: KAD's stage 1 as published."""

    warmup_steps: int = 10_000

    def rate(self, step: int, peak: float, length: Length) -> float:
        """The rate of the optimiser's step number `step`, from 0."""
        if step < self.warmup_steps:
            return peak * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, length.steps - self.warmup_steps)
        return peak * half_cosine(progress)


@dataclass(frozen=True, kw_only=True)
class StaircaseEpochCosine:
    """KAD's published schedule of stage 2 (ALBEF's): stairs in epoch 0, then one rate an epoch.

    The rate rises after every `stair` iterations of epoch 0, `stairs` times; where the epoch is
    shorter than that, the rise is cut and the rate jumps. From epoch 1 it is a half cosine of the
    epoch's number, constant within the epoch.
    """

    floor: float = 1e-6
    stairs: int = 20
    stair: int = 100

    def rate(self, step: int, peak: float, length: Length) -> float:
        """The rate of the optimiser's step number `step`, from 0."""
        epoch, iteration = divmod(step, length.steps_per_epoch)
        if epoch == 0:
            climbed = min(max(iteration - 1, 0) // self.stair, self.stairs)
            return self.floor + climbed * (peak - self.floor) / self.stairs
        epochs = max(1, round(length.steps / length.steps_per_epoch))
        return self.floor + (peak - self.floor) * half_cosine(epoch / epochs)


Schedule = WarmupCosine | StoppedCosine | WarmupStepsCosine | StaircaseEpochCosine
