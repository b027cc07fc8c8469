"""Reports that others distilled: a file of texts by study, set against the reports themselves.

Source: the distilled reports of ECAMP are one JSON object, from study to text. Its users are told
to merge them by study; by the number of the row every text is one of another report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.annotation.answers import reported_text
from carina.annotation.distillation import Distilled
from carina.annotation.json_records import iterate_members
from carina.annotation.source import Tally
from carina.errors import AnnotationError
from carina.files import progress
from carina.report.distilled_check import DistilledCheck
from carina.report.lexicon import Lexicon
from carina.study import Study

MISSING = "studies that the file does not have"
OTHER_REPORT = "texts of another report, or of none: all their sentences were left out"
MIMIC_PREFIX = "s"  # of studies in the names of MIMIC-CXR's folders


@dataclass(frozen=True, kw_only=True)
class WrittenDistiller:
    """Distilled reports from a file: a JSON object, {"study": "There is ..."}.

    Attributes:
        records: the file.
    """

    records: Path

    def read(self, studies: Sequence[Study]) -> Distilled:
        """What each report bears out of the text that the file has for it.

        Raises:
            AnnotationError: the file is no such object, or has none of the studies.
        """
        wanted = {bare(study.study_id): number for number, study in enumerate(studies)}
        texts: list[str | None] = [None if s.report.text.strip() else "" for s in studies]
        check, tally = DistilledCheck(Lexicon.default()), Tally()
        met, other = set(), ""
        for key, text in progress(iterate_members(self.records), "Checking texts"):
            if not isinstance(text, str):
                raise AnnotationError(
                    f"{self.records}: of {key!r} holds a {type(text).__name__}, expected a text. "
                    'Give a JSON object such as {"study": "There is no effusion."}.'
                )
            number = wanted.get(bare(key))
            if number is None:
                other = other or key
                continue
            met.add(number)
            texts[number] = checked(studies[number], text, check, tally)
        if not met:
            raise AnnotationError(
                f"{self.records}: has none of {len(studies)} studies, such as "
                f"{studies[0].study_id!r}; its keys are such as {other!r}. Give the file that "
                "belongs to this release."
            )
        for number, study in enumerate(studies):
            if number not in met and study.report.text.strip():
                tally.add(MISSING, study.study_id)
        return Distilled(texts=tuple(texts), problems=tally.problems())


def bare(study_id: str) -> str:
    """A study's id as a number, where it is one behind an "s"."""
    number = study_id.removeprefix(MIMIC_PREFIX)
    return number if number.isdecimal() else study_id


def checked(study: Study, text: str, check: DistilledCheck, tally: Tally) -> str | None:
    """What the report bears out; None where that is nothing of a text that says something."""
    found = check.check(text, reported_text(study.report.text))
    for reason, count in found.counts.items():
        tally.add(reason, study.study_id, count)
    if text.strip() and not found.sentences:
        tally.add(OTHER_REPORT, study.study_id)
        return None
    return found.text
