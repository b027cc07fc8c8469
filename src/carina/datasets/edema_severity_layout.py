"""The three tables of edema grades, and a phantom cohort written with them."""

from collections.abc import Mapping
from pathlib import Path

from carina.datasets.drawn_cohort import DrawnCohort
from carina.datasets.layout_files import save_table
from carina.datasets.mimic_cxr_layout import (
    Named,
    image_name,
    name_studies,
    write_mimic_cxr,
)
from carina.datasets.mimic_cxr_tables import IMAGE, STUDY, SUBJECT
from carina.study import Assertion

CONSENSUS = "consensus_image_edema_severity.csv"
EXPERT = "expert_report_edema_severity.csv"
REGEX = "regex_report_edema_severity.csv"
GRADE = "edema_severity"
GRADES = ("0", "1", "2", "3")
"""None, vascular congestion, interstitial edema, alveolar edema."""

TABLES_ROOT = "mimic-cxr-pe-severity"
FINDING = "pulmonary edema"
EXPERTS_ONE_IN = 5


def write_edema_severity(cohort: DrawnCohort, out: Path) -> None:
    """Writes a cohort as MIMIC-CXR with three tables of grades beside it.

    Images of the test part have the grades of the consensus, every fifth report of the others
    that of an expert, and all reports those that a program found in them.
    """
    write_mimic_cxr(cohort, out)
    consensus: list[Mapping[str, object]] = []
    expert: list[Mapping[str, object]] = []
    regex: list[Mapping[str, object]] = []
    for place, named in enumerate(name_studies(cohort.studies)):
        row = {SUBJECT: named.subject_id, STUDY: named.study_id, GRADE: grade_of(named)}
        if named.study.split == "test":
            name = image_name(cohort.seed, named.study.study_id, 0)
            consensus.append({**row, IMAGE: name})
        elif place % EXPERTS_ONE_IN == 0:
            expert.append(row)
        regex.append(row)
    folder, report = out / TABLES_ROOT, (SUBJECT, STUDY, GRADE)
    save_table(consensus, (SUBJECT, STUDY, IMAGE, GRADE), folder / CONSENSUS)
    save_table(expert, report, folder / EXPERT)
    save_table(regex, report, folder / REGEX)


def grade_of(named: Named) -> int:
    """The grade of a study: the phantom's four grades of edema on three."""
    there = {item.name for item in named.study.findings if item.value is Assertion.PRESENT}
    graded = [int(item.value) for item in named.study.severity if item.name == FINDING]
    return min(max(graded, default=1), 3) if FINDING in there else 0
