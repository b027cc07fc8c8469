"""What the four papers report, and what users of their weights got, by protocol.

Every number is from the text of a paper, with its table and row, or from a public issue of its
code, and then marked as a user's.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PAPERS = ("kad", "medklip", "maco", "ecamp")
"""The papers, by the first half of their protocols' names."""

MEAN = "mean"
BY_PAPER, BY_USERS = "paper", "users"
_NOT_GIVEN = "-"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One number that somebody reports.

    Attributes:
        paper: whose table it stands in.
        protocol: what it is measured by.
        metric: as evaluation.json has it.
        finding: one finding, or "mean".
        name: the row as printed.
        system: the model of the row, in carina's word; None for another.
        value: a share where the paper prints percent.
        digits: as many are printed behind the point, of a share.
        low: of its interval, as printed.
        high: of its interval.
        where: table and row, section, or issue.
        by: "paper", or "users" of the released weights.
        main: the number that the paper claims for its own model under this protocol, unless it is
            of a variant.
        note: what must be known of it.
    """

    paper: str
    protocol: str
    metric: str
    finding: str
    name: str
    system: str | None
    value: float
    digits: int
    low: float | None
    high: float | None
    where: str
    by: str
    main: bool
    note: str

    @property
    def text(self) -> str:
        """The value as printed, with its interval where there is one."""
        shown = f"{self.value:.{self.digits}f}"
        if self.low is None or self.high is None:
            return shown
        return f"{shown} ({self.low:.{self.digits}f} to {self.high:.{self.digits}f})"


@cache
def reported() -> tuple[Reported, ...]:
    """All numbers, in the papers' order."""
    return tuple(number for paper in PAPERS for number in _numbers_of(paper))


def numbers_of(protocol: str) -> tuple[Reported, ...]:
    """All numbers of a protocol."""
    return tuple(number for number in reported() if number.protocol == protocol)


def claimed(protocol: str, metric: str, finding: str = MEAN) -> Reported | None:
    """What the paper says of its own model."""
    own = protocol.partition("/")[0]
    found = [
        number
        for number in numbers_of(protocol)
        if (number.metric, number.finding, number.system, number.by)
        == (metric, finding, own, BY_PAPER)
    ]
    return next((number for number in found if number.main), next(iter(found), None))


def by_users(protocol: str, metric: str) -> Reported | None:
    """What users of the released weights got over all findings; the first where several tell."""
    found = (number for number in numbers_of(protocol) if number.by == BY_USERS)
    return next((one for one in found if (one.metric, one.finding) == (metric, MEAN)), None)


def beside(protocol: str, metric: str) -> tuple[str, str]:
    """The paper's number and that of users as text, with their places; "" where there is none."""
    paper, users = claimed(protocol, metric), by_users(protocol, metric)
    return (
        "" if paper is None else f"{paper.text}, {paper.where}",
        "" if users is None else f"{users.text}, {users.where}",
    )


def cited(paper: str) -> str:
    """How a paper is cited."""
    return str(_read(paper)["cite"])


def _numbers_of(paper: str) -> Iterator[Reported]:
    content = _read(paper)
    for table in content.get("table", ()):
        yield from _of_table(table, paper)
    for said in content.get("said", ()):
        yield _number(said["value"], said, paper, main=True)


def _of_table(table: Mapping[str, Any], paper: str) -> Iterator[Reported]:
    if "columns" in table:
        columns = [{"protocol": name, "metric": metric} for name, metric in table["columns"]]
    else:
        shared = {"protocol": table["protocol"], "metric": table["metric"]}
        columns = [{**shared, "finding": finding} for finding in table["findings"]]
    unit = "%" if table.get("percent", False) else ""
    for row in table["rows"]:
        for column, value in zip(columns, row["values"].split(), strict=True):
            if value != _NOT_GIVEN:
                told = {**row, **column, "where": table["where"]}
                yield _number(f"{value}{unit}", told, paper, main=table.get("main", True))


def _number(printed: str, told: Mapping[str, Any], paper: str, *, main: bool) -> Reported:
    value, digits = _value(printed)
    low, high = (
        (_value(end)[0] for end in told["interval"].split()) if "interval" in told else (None, None)
    )
    return Reported(
        paper=paper,
        protocol=told["protocol"],
        metric=told["metric"],
        finding=told.get("finding", MEAN),
        name=told["name"],
        system=told.get("system"),
        value=value,
        digits=digits,
        low=low,
        high=high,
        where=told["where"],
        by=told.get("by", BY_PAPER),
        main=main,
        note=told.get("note", ""),
    )


def _value(printed: str) -> tuple[float, int]:
    """A number as printed, percent as a share, and how many digits are behind its point."""
    bare = printed.removesuffix("%")
    digits = len(bare.partition(".")[2])
    if bare == printed:
        return float(bare), digits
    return round(float(bare) / 100, digits + 2), digits + 2


@cache
def _read(paper: str) -> Mapping[str, Any]:
    path = Path(__file__).with_name(f"papers_{paper}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
