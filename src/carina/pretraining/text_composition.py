"""How a report and what was distilled of it become one text; each way is a class.

A composed text is at most three slices of strings: the report up to where the distilled text
goes in, that text, and the rest of the report. Their tokens were read before.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from carina.errors import ConfigError

# Where another mark follows a full stop, a tokenizer may read both as one.
STOP_AND_MARK = re.compile(r"\.[^\w\s]")
OPENS = re.compile(r"[\w\s]")


@dataclass(frozen=True, kw_only=True)
class TrainingText:
    """A report's words as they are trained on, and what was distilled of it; either may be ""."""

    report: str
    distilled: str = ""


class Slice(NamedTuple):
    """Characters of a string."""

    text: str
    start: int
    end: int


Composed = tuple[Slice, ...]
"""At most three slices, one behind another."""
SLICES = 3


class Ways(NamedTuple):
    """The texts that a report can become: with `probability` one of `drawn`, else `otherwise`."""

    drawn: tuple[Composed, ...]
    otherwise: Composed
    probability: float


@dataclass(frozen=True, kw_only=True)
class Concatenated:
    """The report, then what was distilled of it: T = [T_o, T_d] of ECAMP's paper, section 3.2."""

    def ways(self, text: TrainingText) -> Ways:
        """One."""
        both = tuple(whole(part) for part in (text.report, text.distilled) if part)
        return Ways(drawn=(both,), otherwise=both, probability=1.0)


@dataclass(frozen=True, kw_only=True)
class ReportAlone:
    """The report without what was distilled of it: ECAMP's Table 4 without CD."""

    def ways(self, text: TrainingText) -> Ways:
        """One."""
        alone = (whole(text.report),)
        return Ways(drawn=(alone,), otherwise=alone, probability=1.0)


@dataclass(frozen=True, kw_only=True)
class Inserted:
    """With `probability` what was distilled goes in at a random full stop: ECAMP's code.

    Every piece between full stops gets one of its own, and two in a row become one.
    """

    probability: float = 0.8

    def __post_init__(self) -> None:
        """Checks the probability."""
        check_share("probability", self.probability)

    def ways(self, text: TrainingText) -> Ways:
        """One for each full stop and the beginning, and the report alone."""
        pieces = text.report.split(".")
        if is_regular(text):
            drawn = regular_insertions(text, pieces)
        else:
            drawn = tuple((whole(t),) for t in written_insertions(text, pieces))
        alone = text.report.replace("..", ".")
        return Ways(drawn=drawn, otherwise=(whole(alone),), probability=self.probability)


def whole(text: str) -> Slice:
    """A string from its first to its last character."""
    return Slice(text, 0, len(text))


def is_regular(text: TrainingText) -> bool:
    """Whether tokens of the pieces are pieces of the tokens, and no full stop falls away inside."""
    report, distilled = text.report, text.distilled
    if OPENS.match(report) is None or STOP_AND_MARK.search(report):
        return False
    return not distilled or (
        OPENS.match(distilled) is not None
        and distilled.endswith(".")
        and not STOP_AND_MARK.search(distilled)
    )


def regular_insertions(text: TrainingText, pieces: list[str]) -> tuple[Composed, ...]:
    """The report cut in two at each full stop, with the distilled text between."""
    closed = text.report if text.report.endswith(".") else f"{text.report}."
    cuts = [0]
    for piece in pieces:
        cuts.append(min(cuts[-1] + len(piece) + 1, len(closed)))
    middle = whole(text.distilled)
    return tuple((Slice(closed, 0, cut), middle, Slice(closed, cut, len(closed))) for cut in cuts)


def written_insertions(text: TrainingText, pieces: list[str]) -> tuple[str, ...]:
    """Every text with the distilled one at each full stop, written out."""
    stopped = [f"{piece}." for piece in pieces]
    return tuple(
        "".join((*stopped[:place], text.distilled, *stopped[place:])).replace("..", ".")
        for place in range(len(pieces) + 1)
    )


def check_share(name: str, value: float) -> None:
    """Refuses what is no share.

    Raises:
        ConfigError: it is outside [0, 1].
    """
    if not 0 <= value <= 1:  # refuses nan too
        raise ConfigError(f"{name} must be in [0, 1], got {value}: it is a share.")
