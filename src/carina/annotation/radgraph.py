"""RadGraph as a source: from its published or saved files, or by its Python package."""

import contextlib
import importlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from carina.annotation.json_records import iterate_members
from carina.annotation.source import Reading, Tally
from carina.errors import AnnotationError, ConfigError, ReportError
from carina.files import progress
from carina.report.lexicon import Lexicon
from carina.report.radgraph import read_record
from carina.report.wording import Wording
from carina.study import Entity, Study

MODELS = ("radgraph-xl", "modern-radgraph-xl", "radgraph")
ANNOTATORS = ("labeler_1", "labeler_2")  # of the test set of the first release
OTHER_TEXT = "reports whose RadGraph record was made from another text: not read"
NO_RECORD = "reports without a RadGraph record: not read"


@dataclass(frozen=True, kw_only=True)
class RadGraphFiles:
    """RadGraph's JSON, as PhysioNet has it or as the package's results were saved.

    A record belongs to the study whose id is its key, or the file name that its key ends in:
    "p10/p10000032/s50414267.txt" is the study "s50414267" or "50414267".

    Attributes:
        records: one or more files, each an object of records by report.
    """

    records: tuple[Path, ...]

    def __post_init__(self) -> None:
        if not self.records:
            raise ConfigError("no file of RadGraph is given, expected one or more.")

    def read(self, studies: Sequence[Study]) -> Reading:
        """The entities of every study that has a record.

        Raises:
            AnnotationError: a file cannot be read, is not of RadGraph's form, has two records
                of one study, or none of any.
        """
        places = study_places(studies)
        tally = Tally()
        wording = Wording(Lexicon.default())
        blank = empty_reports(studies)
        found = dict(blank)
        read: dict[int, str] = {}
        for path, key, record in progress(self._members(), "Reading records"):
            place = places.get(key) if key in places else places.get(report_key(key))
            if place is None or place in blank:
                continue
            if place in read:
                raise AnnotationError(
                    f"{path}: the record {key!r} is of the same study as {read[place]!r} before. "
                    "Give files that hold every report once."
                )
            read[place] = key
            entities = entities_of(record, studies[place], wording, tally, f"{path}: {key}: ")
            if entities is not None:
                found[place] = entities
        if not read:
            raise AnnotationError(
                f"{', '.join(map(str, self.records))}: no record is of a study of the manifest. "
                f"Expected keys that end in a study id such as {studies[0].study_id!r}; the "
                "package's own results are numbered: save them under study ids."
            )
        for place, study in enumerate(studies):
            if place not in read and place not in blank:
                tally.add(NO_RECORD, study.study_id)
        entities_by_study = tuple(found.get(place) for place in range(len(studies)))
        return Reading(entities=entities_by_study, problems=tally.problems())

    def _members(self) -> Iterator[tuple[Path, str, object]]:
        for path in self.records:
            for key, record in iterate_members(path):
                yield path, key, record


@dataclass(frozen=True, kw_only=True)
class RadGraphPackage:
    """The `radgraph` package, which downloads its weights from a hub at first use.

    Attributes:
        model: one of `MODELS`.
    """

    model: str = MODELS[0]

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ConfigError(
                f"there is no RadGraph model {self.model!r} for chest radiographs; expected one "
                f"of {', '.join(MODELS)}."
            )

    def read(self, studies: Sequence[Study]) -> Reading:
        """The entities of every report.

        Raises:
            ConfigError: the package is not installed.
            AnnotationError: it cannot load its weights.
        """
        annotate = load_package(self.model)
        wording, tally = Wording(Lexicon.default()), Tally()
        read = partial(read_with_package, annotate, wording, tally)
        entities = tuple(map(read, progress(studies, "RadGraph", len(studies))))
        return Reading(entities=entities, problems=tally.problems())


def read_with_package(
    annotate: Callable[[list[str]], Mapping[str, object]],
    wording: Wording,
    tally: Tally,
    study: Study,
) -> tuple[Entity, ...] | None:
    """The entities of one study; None where the package gave up on its report."""
    if not study.report.text.strip():
        return ()  # the package would read the word "None"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        results = annotate([study.report.text])  # it prints reports that it fails on
    if "0" not in results:
        tally.add("reports that the radgraph package failed on: not read", study.study_id)
        return None
    return entities_of(results["0"], study, wording, tally, "the radgraph package: ")


def load_package(model: str) -> Any:
    """The package's annotator.

    Raises:
        ConfigError: the package is not installed.
        AnnotationError: its weights cannot be had.
    """
    try:
        package = importlib.import_module("radgraph")
    except ImportError as error:
        raise ConfigError(
            "the package radgraph is not installed. Install it with `pip install "
            "'carina[radgraph]'`, or read its files with `--extractor radgraph --records FILE`."
        ) from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return package.RadGraph(model_type=model)
    except Exception as error:  # hub clients raise errors of many kinds
        raise AnnotationError(
            f"the package radgraph could not load {model} ({type(error).__name__}: {error}). Its "
            "weights come from a hub: connect once, or fill its cache folder by hand."
        ) from error


def entities_of(
    record: object, study: Study, wording: Wording, tally: Tally, where: str
) -> tuple[Entity, ...] | None:
    """The entities of one record; None if it was made from another text than the study's.

    Raises:
        AnnotationError: the record is not of RadGraph's form.
    """
    if not isinstance(record, dict):
        raise AnnotationError(
            f"{where}the record is {record!r:.60}, expected an object with text and entities. "
            "Give a file as RadGraph writes it."
        )
    both = [record[name] for name in ANNOTATORS if name in record]
    try:
        reading = read_record({**record, **both[0]} if both else record, study.report.text, wording)
    except ReportError as error:
        raise AnnotationError(f"{where}{error}") from error
    if reading is None:
        tally.add(OTHER_TEXT, study.study_id)
        return None
    for reason, count in reading.left_out.items():
        tally.add(f"RadGraph entities left out: {reason}", study.study_id, count)
    return reading.entities


def empty_reports(studies: Sequence[Study]) -> dict[int, tuple[Entity, ...]]:
    """No entities for each study without a report, by its place."""
    return {i: () for i, study in enumerate(studies) if not study.report.text.strip()}


def study_places(studies: Sequence[Study]) -> dict[str, int]:
    """The place of each study by its id, and by the number in it where no other has that."""
    exact = {study.study_id: place for place, study in enumerate(studies)}
    loose: dict[str, list[int]] = {}
    for study_id, place in exact.items():
        loose.setdefault(report_key(study_id), []).append(place)
    return {key: places[0] for key, places in loose.items() if len(places) == 1} | exact


def report_key(key: str) -> str:
    """What a key or study id comes down to: "p10/p1000/s50.txt" and "s50" are both "50"."""
    name = PurePosixPath(key).name.removesuffix(".txt")
    number = name.removeprefix("s")
    return number if number.isdecimal() else name
