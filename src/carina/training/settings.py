"""How a stage is trained: settings that are the same for every system."""

from dataclasses import dataclass
from enum import StrEnum

from carina.errors import ConfigError
from carina.training.optimiser import AdamW
from carina.training.schedule import Length, Schedule, WarmupCosine


class Precision(StrEnum):
    """Arithmetic of forward and backward passes; the weights stay float32."""

    FP32 = "32-true"
    BF16 = "bf16-mixed"


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How long, how fast and in which arithmetic a stage is trained.

    `batch_size` counts over all processes. `steps` is the length of the training in optimiser
    steps; where it is None, `epochs` decides. `clip_norm` bounds the norm of the gradient.
    A checkpoint is written every `checkpoint_every` steps and at the end.
    """

    batch_size: int
    steps: int | None = None
    epochs: float = 50.0
    optimiser: AdamW = AdamW()
    schedule: Schedule = WarmupCosine()
    precision: Precision = Precision.FP32
    clip_norm: float | None = None
    checkpoint_every: int = 500
    log_every: int = 10

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {self.batch_size}.")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps must be at least 1, got {self.steps}.")
        if not self.epochs > 0:
            raise ConfigError(f"epochs must be > 0, got {self.epochs}.")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(f"clip_norm must be > 0 or none, got {self.clip_norm}.")
        if self.checkpoint_every < 1 or self.log_every < 1:
            raise ConfigError("checkpoint_every and log_every must be at least 1.")

    def length(self, steps_per_epoch: int) -> Length:
        """The length of a training on data that give `steps_per_epoch` batches a pass."""
        steps = self.steps or max(1, round(self.epochs * steps_per_epoch))
        return Length(steps=steps, steps_per_epoch=steps_per_epoch)
