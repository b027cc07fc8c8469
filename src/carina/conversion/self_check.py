"""Do the key tables still give the official numbers: a check that every installation carries.

A checkpoint of the official names and sizes is filled by a formula, converted, and asked what the
official implementation was asked; its answers are recorded in `recorded/`. It says nothing of
the numbers inside a file that somebody published, only that each of its keys goes to its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from carina.conversion.checks import CHECKS, UNPROVEN
from carina.conversion.recorded_answers import Answers, Numbers, recorded_answers
from carina.errors import ConversionError
from carina.files import progress

TOLERANCE = 1e-4
"""Other processors and thread counts round otherwise, by up to 1e-5; a key in a wrong place moves
the answers by 1e-2 and more."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Each recorded answer's name, and how far ours lies from it at most."""

    differences: Mapping[str, float]

    @property
    def largest(self) -> float:
        """The largest of them."""
        return max(self.differences.values())


@torch.no_grad()
def differences(
    answers: Callable[[Any, Numbers], Answers], model: nn.Module, recorded: Numbers
) -> Checked:
    """How far a model's answers lie from those recorded."""
    given = answers(model, recorded)
    return Checked(
        differences={
            name: float(np.abs(answer.numpy() - recorded[name]).max())
            for name, answer in given.items()
        }
    )


def self_check(system: str) -> dict[str, Checked]:
    """Converts checkpoints made by a formula and compares with what the official code gave.

    Returns:
        Every network of the system, by its name.

    Raises:
        ConversionError: an answer differs by more than `TOLERANCE`, or none is recorded.
    """
    if system not in CHECKS:
        raise ConversionError(
            f"No official answers are recorded for {system}, only for {', '.join(CHECKS)}. "
            "Convert without --check."
        )
    found = {}
    for check in progress(CHECKS[system], "Proving", len(CHECKS[system])):
        recorded = recorded_answers(check.recorded)
        model = check.model(check.checkpoint(recorded))
        checked = differences(check.answers, model, recorded)
        if not checked.largest <= TOLERANCE:
            raise ConversionError(
                f"{system}, {check.name}: converted weights give other answers than the official "
                f"code, by up to {checked.largest:.1e}, expected at most {TOLERANCE:.0e}. This "
                "installation is not to be trusted with published weights; please report it."
            )
        found[check.name] = checked
    return found


def unproven(system: str) -> tuple[str, ...]:
    """What of a system no recorded answer proves, and why."""
    return UNPROVEN.get(system, ())
