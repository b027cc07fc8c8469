"""Distils the reports of a manifest: by rules, or by a language model whose answers are checked.

Source: ECAMP (Wang et al., arXiv:2312.13316), section 3.1 and appendix C.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from carina.annotation.answers import NonsenseError, reported_text
from carina.annotation.asking import ServedModel
from carina.annotation.chat import Reply
from carina.annotation.distil_prompt import PACKAGED, DistilPrompt, read_distil_prompt
from carina.annotation.language_model import check_complete
from carina.annotation.prompt import Messages
from carina.annotation.source import Problem, Tally, check_reports
from carina.annotation.texts import REPORTS_AT_ONCE, check_count
from carina.files import progress
from carina.report.distill import distil
from carina.report.distilled_check import CheckedSentences, DistilledCheck
from carina.report.entities import RuleExtractor
from carina.report.entity_words import entities_named
from carina.report.lexicon import Lexicon
from carina.studies.manifest import Manifest
from carina.study import Report, Study

NO_ENTITIES = "reports that name no entity: distilled to nothing"


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """What distilling gave.

    Attributes:
        texts: of each study, in the order of the studies; "" where its report has nothing to
            distil, None where it could not be distilled.
        problems: what could not be used, most frequent first.
        remarks: sentences on the work as a whole, such as what it cost.
    """

    texts: tuple[str | None, ...]
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()


@runtime_checkable
class Distiller(Protocol):
    """A way to distil reports. Its fields are its settings."""

    def read(self, studies: Sequence[Study]) -> Distilled:
        """The distilled report of each study."""
        ...


def distil_manifest(
    manifest: Manifest, distiller: Distiller
) -> tuple[tuple[Study, ...], Distilled]:
    """Fills `report.distilled` of every study; entities and triplets stay as they are.

    A study without a report gets "": there was nothing to distil. So does one that could not be
    distilled, which `Distilled` tells apart and counts: it is trained on with its report alone.

    Raises:
        AnnotationError: no study has a report.
        CarinaError: whatever the distiller raises.
    """
    check_reports(manifest)
    found = distiller.read(manifest.studies)
    studies = tuple(
        replace(study, report=replace(study.report, distilled=text or ""))
        for study, text in zip(manifest.studies, found.texts, strict=True)
    )
    return studies, found


@dataclass(frozen=True, kw_only=True)
class RuleDistiller:
    """Our rules: no model is needed, and nothing is said that the rules do not read.

    Reports that were annotated keep the entities that they have; the others are read.

    Attributes:
        processes: how many distil.
    """

    processes: int = 1

    def __post_init__(self) -> None:
        """Checks the number."""
        check_count("processes", self.processes)

    def read(self, studies: Sequence[Study]) -> Distilled:
        """The distilled report of each study."""
        reports = [study.report for study in studies]
        if self.processes == 1:
            texts = tuple(map(distilled_by_rules, progress(reports, "Distilling", len(reports))))
        else:
            starts = range(0, len(reports), REPORTS_AT_ONCE)
            parts = [reports[start : start + REPORTS_AT_ONCE] for start in starts]
            with ProcessPoolExecutor(self.processes) as pool:
                done = pool.map(all_distilled_by_rules, parts)
                texts = tuple(t for part in progress(done, "Distilling", len(parts)) for t in part)
        tally = Tally()
        for study, text in zip(studies, texts, strict=True):
            if not text and study.report.text.strip():
                tally.add(NO_ENTITIES, study.study_id)
        return Distilled(texts=texts, problems=tally.problems())


@functools.cache
def rules() -> RuleExtractor:
    """The rules of this process."""
    return RuleExtractor(Lexicon.default())


def distilled_by_rules(report: Report) -> str:
    """A report distilled by rules."""
    return distil(rules().extract(report.text) if report.entities is None else report.entities)


def all_distilled_by_rules(reports: Sequence[Report]) -> list[str]:
    """Some reports distilled by rules."""
    return [distilled_by_rules(report) for report in reports]


@dataclass(frozen=True, kw_only=True)
class ModelDistiller(ServedModel):
    """A language model on a server, asked as ECAMP asks, and checked as ECAMP does not.

    Only the sections that tell what a radiograph shows are sent, each text once, with the
    entities found in it by words. A report that names none of ECAMP's entities is not sent.

    Attributes:
        prompt: "distil", or a TOML file of the same form.
    """

    prompt: str = PACKAGED

    def read(self, studies: Sequence[Study]) -> Distilled:
        """What the report bears out of the answer about each study.

        Raises:
            ConfigError: server, key or prompt cannot be used, or the server is remote.
            AnnotationError: the server answers nothing, or nothing but nonsense.
            OutputError: the cache cannot be written.
        """
        asks = AsksToDistil(read_distil_prompt(self.prompt))
        texts = [reported_text(study.report.text) for study in studies]
        named = {text: entities_named(text) for text in dict.fromkeys(filter(None, texts))}
        replies, remarks = self.ask([text for text, found in named.items() if found], asks)
        tally = Tally()
        pairs = progress(zip(studies, texts, strict=True), "Checking answers", len(texts))
        distilled = tuple(
            distilled_by_model(study, text, replies.get(text), asks, tally) for study, text in pairs
        )
        return Distilled(texts=distilled, problems=tally.problems(), remarks=remarks)


class AsksToDistil:
    """What the prompt asks, and how answers to it are checked."""

    def __init__(self, prompt: DistilPrompt) -> None:
        self._prompt = prompt
        self._check = DistilledCheck(Lexicon.default())

    def messages(self, text: str) -> Messages:
        """The messages that ask about a report: what it names goes with it."""
        return self._prompt.messages(text, ", ".join(entities_named(text).values()))

    def check(self, reply: Reply, text: str) -> None:
        """Refuses an answer of which nothing is left.

        Raises:
            NonsenseError: it was cut off, or the report bears out no sentence of it.
        """
        self.checked(reply, text)

    def checked(self, reply: Reply, text: str) -> CheckedSentences:
        """What the report bears out of an answer.

        Raises:
            NonsenseError: it was cut off, or the report bears out no sentence of it.
        """
        check_complete(reply)
        found = self._check.check(reply.answer, text)
        if not found.sentences:
            raise NonsenseError("holds no sentence that the report bears out")
        return found


def distilled_by_model(
    study: Study, text: str, outcome: Reply | str | None, asks: AsksToDistil, tally: Tally
) -> str | None:
    """The distilled report of a study; None where there is no answer of use, which is counted."""
    if outcome is None:  # not asked about
        if text:
            tally.add(NO_ENTITIES, study.study_id)
        return ""
    if isinstance(outcome, str):
        tally.add(f"not distilled: {outcome}", study.study_id)
        return None
    try:
        answer = asks.checked(outcome, text)
    except NonsenseError as error:
        tally.add(f"not distilled: the answer {error}", study.study_id)
        return None
    for reason, count in answer.counts.items():
        tally.add(reason, study.study_id, count)
    return answer.text
