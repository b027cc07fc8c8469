"""A score with its interval in a table of the terminal, on two lines where it is narrow."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.text import Text

from carina.evaluation.result import Score


@dataclass(frozen=True, kw_only=True)
class ScoreCell:
    """A score as `score_text` writes it, or with the interval below where that does not fit.

    Without it a terminal of 80 columns breaks intervals into four lines of a word each.
    """

    score: Score
    sign: bool = False

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """From the width of two lines to that of one."""
        whole = score_text(self.score, self.sign)
        narrow = max(map(len, self._stacked()))
        return Measurement(narrow, len(whole) if len(whole) <= options.max_width else narrow)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """One line where there is room, else two."""
        whole = score_text(self.score, self.sign)
        fits = len(whole) <= options.max_width
        yield Text(whole if fits else "\n".join(self._stacked()), overflow="fold")

    def _stacked(self) -> tuple[str, ...]:
        value, low, high = self.score.value, self.score.low, self.score.high
        if value is None or low is None or high is None:
            return (score_text(self.score, self.sign),)
        digits = form(self.sign)
        between = " to " if self.sign or low < 0 else "–"  # a dash would be read as a minus
        return format(value, digits), f"{low:{digits}}{between}{high:{digits}}"


def score_text(score: Score, sign: bool = False) -> str:
    """Such as "0.912 (0.884 to 0.935)", or a dash where there is no value."""
    if score.value is None:
        return "–"
    text = format(score.value, form(sign))
    if score.low is None or score.high is None:
        return text
    return f"{text} ({score.low:{form(sign)}} to {score.high:{form(sign)}})"


def form(sign: bool) -> str:
    """Three digits, of a difference with its sign."""
    return "+.3f" if sign else ".3f"
