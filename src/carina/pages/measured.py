"""A number of an evaluation as a page shows it: with an interval, or with why it is undefined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Number = float | int
Values = Sequence[Number] | np.ndarray
"""Numbers in a row, however the caller holds them."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A value and its 95% interval.

    `value` is None where it is undefined; `reason` then says why ("no positive").
    `low` and `high` are None where no interval was worked out.
    """

    value: Number | None
    low: Number | None = None
    high: Number | None = None
    reason: str | None = None

    @property
    def defined(self) -> bool:
        """Whether there is a finite value to show."""
        return self.value is not None and math.isfinite(self.value)


def decimal(value: Number, digits: int = 3) -> str:
    """A number with so many digits after the point, and a true minus sign."""
    return f"{value:,.{digits}f}".replace("-", "−")


def format_measured(measured: Measured, digits: int = 3) -> str:
    """Writes "0.912 (0.884 to 0.935)", "0.912" without interval, or "undefined (no positive)"."""
    if measured.value is None or not measured.defined:
        return "undefined" if measured.reason is None else f"undefined ({measured.reason})"
    text = decimal(measured.value, digits)
    if measured.low is None or measured.high is None:
        return text
    return f"{text} ({decimal(measured.low, digits)} to {decimal(measured.high, digits)})"
