"""The best step of a training, by a score on validation data."""

import math
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from carina.errors import CheckpointError, TrainingError
from carina.files import atomic_path
from carina.training.log import CsvLog, read_log

BEST = "best.safetensors"
VALIDATION = "validation.csv"
SCORE = "score"


class BestByValidation:
    """A `Watcher` that scores the validation part and keeps the weights of the best step.

    Files in the folder: `validation.csv` with the score of each look, `best.safetensors`.
    """

    def __init__(self, model: nn.Module, score: Callable[[], float], folder: Path) -> None:
        self.model = model
        self.score = score
        self.folder = folder

    def look(self, step: int) -> None:
        """Scores, writes a row, and keeps the weights where they are the best so far.

        Raises:
            TrainingError: the score is no number.
        """
        score = self.score()
        if math.isnan(score):
            raise TrainingError(
                f"After step {step}: the validation part has no score, expected a number. Does it "
                "hold examples of every kind?"
            )
        log = CsvLog(self.folder / VALIDATION, step)
        before = read_log(log.path) if log.has_header else []
        if all(score > row[SCORE] for row in before):
            weights = {k: v.detach().cpu().contiguous() for k, v in self.model.state_dict().items()}
            with atomic_path(self.folder / BEST) as temporary:
                save_file(weights, temporary)
        log.write(step, {SCORE: score})

    def restore(self) -> None:
        """Puts the best weights back into the model.

        Raises:
            CheckpointError: they are gone or damaged.
        """
        path = self.folder / BEST
        try:
            self.model.load_state_dict(load_file(path))
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{path}: cannot be read ({error}); expected the best weights of this training. "
                f"Remove {self.folder} to train it again."
            ) from error
