from collections.abc import Callable

import pytest

from carina.errors import ConfigError
from carina.training.optimiser import AdamW
from carina.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AdamW(rate=0.0), r"rate must be > 0, got 0\.0"),
        (lambda: AdamW(rate=float("nan")), "rate must be > 0, got nan"),
        (lambda: AdamW(weight_decay=-0.1), r"weight_decay must be >= 0, got -0\.1"),
        (lambda: TrainingSettings(batch_size=0), "batch_size must be at least 1, got 0"),
        (lambda: TrainingSettings(batch_size=1, steps=0), "steps must be at least 1, got 0"),
        (lambda: TrainingSettings(batch_size=1, epochs=0.0), r"epochs must be > 0, got 0\.0"),
        (lambda: TrainingSettings(batch_size=1, clip_norm=0.0), "clip_norm must be > 0 or none"),
        (lambda: TrainingSettings(batch_size=1, log_every=0), "must be at least 1"),
        (lambda: TrainingSettings(batch_size=1, checkpoint_every=0), "must be at least 1"),
    ],
)
def test_settings_that_cannot_train_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()
