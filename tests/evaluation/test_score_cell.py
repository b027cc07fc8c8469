"""Scores in narrow tables."""

import pytest
from rich.console import Console
from rich.table import Table

from carina.evaluation.result import Score
from carina.evaluation.score_cell import ScoreCell

WHOLE = Score(value=0.8, low=0.25, high=1.0, reason=None)


def printed(cells: list[ScoreCell], width: int) -> list[str]:
    table = Table("finding", *("auc" for _ in cells), box=None, pad_edge=False, show_header=False)
    table.add_row("mass", *cells)
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table)
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_an_interval_stands_beside_its_score_where_there_is_room() -> None:
    assert printed([ScoreCell(score=WHOLE)] * 2, 80) == [
        "mass 0.800 (0.250 to 1.000) 0.800 (0.250 to 1.000)"
    ]


def test_an_interval_stands_whole_below_its_score_where_there_is_none() -> None:
    assert printed([ScoreCell(score=WHOLE)] * 2, 35) == [
        "mass 0.800 0.800",
        "0.250–1.000 0.250–1.000",
    ]


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        (
            ScoreCell(score=Score(value=0.1, low=-0.2, high=0.3, reason=None)),
            ["mass 0.100", "-0.200 to 0.300"],
        ),
        (ScoreCell(score=WHOLE, sign=True), ["mass +0.800", "+0.250 to +1.000"]),
        (ScoreCell(score=Score(value=0.1, low=None, high=None, reason=None)), ["mass 0.100"]),
        (ScoreCell(score=Score(value=None, low=None, high=None, reason="rare")), ["mass –"]),
    ],
)
def test_signs_and_what_is_missing_are_kept(cell: ScoreCell, lines: list[str]) -> None:
    assert printed([cell], 22) == lines
