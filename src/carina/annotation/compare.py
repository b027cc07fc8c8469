"""Where two sources of entities differ: by observation, with the sentences."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from carina.annotation.source import Problem, Source, check_reports
from carina.errors import AnnotationError
from carina.files import progress, write_text
from carina.metrics.agreement import cohen_kappa, kappa_interval
from carina.pages.difference_page import DifferenceExample, DifferenceRow, difference_page
from carina.pages.measured import Measured
from carina.report.findings import findings_from_entities
from carina.report.lexicon import Lexicon
from carina.report.sentence_rule import reported_sentences
from carina.studies.manifest import Manifest
from carina.study import Assertion, Entity, EntityKind, Study

PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN
VALUES = (None, PRESENT, ABSENT, UNCERTAIN)
"""What a report can say of an observation, in the order of rows and columns."""

REPLICATES = 1000
SEED = 0
EXAMPLES = 3
COLUMNS = ("both present", "only first", "only second", "opposite", "doubt", "denial")

Value = Assertion | None
Values = Mapping[str, Assertion]
Entities = tuple[Entity, ...]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What two sources say of one observation, over all reports that both have read.

    Attributes:
        name: of the observation.
        table: counts of reports; rows are what the first source says and columns what the
            second does, in the order of `VALUES`.
        kappa: Cohen's kappa of the table; None where it is undefined.
        low: lower end of its 95% interval.
        high: upper end.
    """

    name: str
    table: tuple[tuple[int, ...], ...]
    kappa: float | None
    low: float | None
    high: float | None

    def count(self, first: Value, second: Value) -> int:
        """Reports of which the sources say so."""
        return self.table[VALUES.index(first)][VALUES.index(second)]

    @property
    def counts(self) -> tuple[int, ...]:
        """Reports in each of `COLUMNS`.

        Present to both; present to one and not mentioned to the other; present to one and
        absent to the other; uncertain to exactly one; absent to one and not mentioned to the
        other.
        """
        doubt = sum(self.table[3]) + sum(row[3] for row in self.table) - 2 * self.table[3][3]
        return (
            self.count(PRESENT, PRESENT),
            self.count(PRESENT, None),
            self.count(None, PRESENT),
            self.count(PRESENT, ABSENT) + self.count(ABSENT, PRESENT),
            doubt,
            self.count(ABSENT, None) + self.count(None, ABSENT),
        )

    @property
    def different(self) -> int:
        """Reports of which the sources say different things."""
        return sum(map(sum, self.table)) - sum(self.table[i][i] for i in range(len(VALUES)))

    @property
    def same(self) -> int:
        """Reports of which both say the same, and say something."""
        return sum(self.table[i][i] for i in range(1, len(VALUES)))


@dataclass(frozen=True, kw_only=True)
class Example:
    """One report of which two sources say different things, and the sentences they go by."""

    observation: str
    study_id: str
    first: Value
    second: Value
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How two sources differ.

    Attributes:
        first: name of one source.
        second: name of the other.
        studies: how many both have read.
        unread: how many at least one has not.
        observations: those they differ in most come first.
        overall: all observations together.
        examples: of each observation, a few of each kind of difference.
        problems: what each source could not use.
        remarks: what the sources say of their reading as a whole, such as what it cost.
    """

    first: str
    second: str
    studies: int
    unread: int
    observations: tuple[Agreement, ...]
    overall: Agreement
    examples: tuple[Example, ...]
    problems: tuple[tuple[str, Problem], ...]
    remarks: tuple[str, ...]

    def to_json(self) -> str:
        """Everything, with counts by name."""
        plain = asdict(self)
        for row, agreement in zip(plain["observations"], self.observations, strict=True):
            row["counts"] = dict(zip(COLUMNS, agreement.counts, strict=True))
        plain["values"] = [value or "not mentioned" for value in VALUES]
        return json.dumps(plain, indent=1)

    def save(self, folder: Path) -> None:
        """Writes `comparison.json` and `index.html`; both quote reports.

        Raises:
            OutputError: the folder may not be written.
        """
        write_text(folder / "comparison.json", self.to_json() + "\n")
        write_text(folder / "index.html", page(self))


def compare_sources(
    manifest: Manifest, names: tuple[str, str], sources: tuple[Source, Source]
) -> Comparison:
    """Reads every report with both sources and sets what they say against each other.

    What a source says of an observation is `findings_from_entities`: the report as a whole,
    with broader terms of what is present.

    Raises:
        AnnotationError: no study has a report, or there is none that both have read.
        CarinaError: whatever the sources raise.
    """
    check_reports(manifest)
    readings = [source.read(manifest.studies) for source in sources]
    pairs = [
        (study, first, second)
        for study, first, second in zip(
            manifest.studies, readings[0].entities, readings[1].entities, strict=True
        )
        if first is not None and second is not None
    ]
    if not pairs:
        raise AnnotationError(
            f"no report was read by both {names[0]} and {names[1]}, expected some of the "
            f"{len(manifest)} of {manifest.path}. Check that the sources belong to it."
        )
    values = [
        (findings_from_entities(first), findings_from_entities(second))
        for _, first, second in progress(pairs, "Comparing", len(pairs))
    ]
    tables = count_tables(values)
    observations = [agreement(name, table) for name, table in tables.items()]
    observations.sort(key=lambda one: (-one.different, one.name))
    return Comparison(
        first=names[0],
        second=names[1],
        studies=len(pairs),
        unread=len(manifest) - len(pairs),
        observations=tuple(observations),
        overall=agreement("all observations", sum(tables.values(), start=np.zeros((4, 4), int))),
        examples=tuple(find_examples(observations, pairs, values)),
        problems=tuple(
            (name, problem)
            for name, reading in zip(names, readings, strict=True)
            for problem in reading.problems
        ),
        remarks=readings[0].remarks + readings[1].remarks,
    )


def labels(names: tuple[str, str]) -> tuple[str, str]:
    """Short names for two sources: of files, the names without folders where they differ."""
    first, second = (Path(name).name for name in names)
    return names if first == second else (first, second)


def count_tables(values: Sequence[tuple[Values, Values]]) -> dict[str, np.ndarray]:
    """For each observation that either source mentions, reports by what the two say of it."""
    said: dict[str, Counter[tuple[Value, Value]]] = {}
    for first, second in values:
        for name in first.keys() | second.keys():
            said.setdefault(name, Counter())[first.get(name), second.get(name)] += 1
    tables = {}
    for name, counts in sorted(said.items()):
        table = np.array([[counts[row, column] for column in VALUES] for row in VALUES])
        table[0, 0] = len(values) - table.sum()
        tables[name] = table
    return tables


def agreement(name: str, table: np.ndarray) -> Agreement:
    """The counts of one observation with their kappa."""
    low, high = kappa_interval(table, REPLICATES, SEED)
    return Agreement(
        name=name,
        table=tuple(tuple(int(count) for count in row) for row in table),
        kappa=finite(float(cohen_kappa(table))),
        low=finite(low),
        high=finite(high),
    )


def finite(number: float) -> float | None:
    """The number, or None where it is undefined."""
    return number if math.isfinite(number) else None


# ------------------------------------------------------------------ sentences


def find_examples(
    observations: Sequence[Agreement],
    pairs: Sequence[tuple[Study, Entities, Entities]],
    values: Sequence[tuple[Values, Values]],
) -> Iterator[Example]:
    """The first few reports of each kind of difference, by observation."""
    wanted: dict[tuple[str, Value, Value], list[int]] = {}
    for place, (first, second) in enumerate(values):
        for name in first.keys() | second.keys():
            said = first.get(name), second.get(name)
            places = wanted.setdefault((name, *said), [])
            if said[0] is not said[1] and len(places) < EXAMPLES:
                places.append(place)
    for observation in observations:
        for one, other in sorted(itertools.permutations(VALUES, 2), key=gravity):
            for place in wanted.get((observation.name, one, other), ()):
                study, first_found, second_found = pairs[place]
                found = telling(study, observation.name, (*first_found, *second_found))
                yield Example(
                    observation=observation.name,
                    study_id=study.study_id,
                    first=one,
                    second=other,
                    sentences=tuple(dict.fromkeys(found)),
                )


def gravity(pair: tuple[Value, Value]) -> int:
    """Opposites before what only one sees, before doubt, before denials."""
    order = ({PRESENT, ABSENT}, {PRESENT, None}, {PRESENT, UNCERTAIN}, {ABSENT, UNCERTAIN})
    return order.index(set(pair)) if set(pair) in order else len(order)


def telling(study: Study, name: str, entities: Entities) -> Iterator[str]:
    """The sentences with an entity that says something of an observation."""
    lexicon = Lexicon.default()
    places = {
        entity.start
        for entity in entities
        if entity.kind is EntityKind.OBSERVATION
        and (entity.name == name or name in lexicon.broader(entity.name))
    }
    text = study.report.text
    for _, (start, end) in reported_sentences(text):
        if any(start <= place < end for place in places):
            yield " ".join(text[start:end].split())


# ------------------------------------------------------------------ page


def page(comparison: Comparison) -> str:
    """The comparison as one HTML page."""
    return difference_page(
        first=comparison.first,
        second=comparison.second,
        studies=comparison.studies,
        unread=comparison.unread,
        columns=shown_columns(comparison.first, comparison.second),
        overall=row(comparison.overall),
        rows=[row(agreement) for agreement in comparison.observations],
        examples=[
            DifferenceExample(
                name=example.observation,
                study=example.study_id,
                first=said(example.first),
                second=said(example.second),
                sentences=example.sentences,
            )
            for example in comparison.examples
        ],
    )


def shown_columns(first: str, second: str) -> tuple[str, ...]:
    """`COLUMNS` with the names of the sources."""
    return ("both present", f"only {first}", f"only {second}", "opposite", "doubt", "denial")


def row(agreement: Agreement) -> DifferenceRow:
    """One row of the page's table."""
    kappa = Measured(
        value=agreement.kappa,
        low=agreement.low,
        high=agreement.high,
        reason=None if agreement.kappa is not None else "both always say the same",
    )
    return DifferenceRow(name=agreement.name, counts=agreement.counts, kappa=kappa)


def said(value: Value) -> str:
    """A value in words."""
    return value.value if value is not None else "not mentioned"
