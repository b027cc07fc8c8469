"""All tables of docs/finetuning.md: every task and start on the synthetic cohort and real films.

    carina phantom cohort --all-masks && carina index phantom cohort --out cohort.parquet
    python benchmarks/finetuning_tables.py --cohort cohort.parquet --root cohort \
        --store store/112 --starts starts --only segmentation --record

`--nih` and `--covid` are manifests of the two sets of real films, each beside a store of the same
name with the ending .store. `--starts` is a folder of runs; those of GROUPS that are there take
part. Whatever is finished is kept under `--work`, so a stopped queue goes on where it was. Rows go
to finetuning.csv.
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from carina.studies.manifest import Manifest, write_manifest
from carina.studies.truth import canonical
from carina.study import Assertion, Finding, Report, Severity, Study
from finetuning import Experiment, measured, records
from row import record


@dataclass(frozen=True)
class Group:
    """Starts with one kind of encoder, of which one may begin with fresh weights."""

    encoder: str
    starts: tuple[str, ...]
    random: bool


GROUPS = (
    Group("ResNet", ("kad_small", "medklip_small"), random=True),
    Group("ViT", ("maco_small", "maco_small_mae"), random=True),
    Group("ResNet", ("gloria_small",), random=False),
    Group("ViT", ("ecamp_small",), random=False),
    Group("ViT", ("ecamp_contrast",), random=False),
)
"""Who is measured in one call; a group takes part when all its starts are there."""

LABELS = ("pleural effusion", "pneumothorax", "cardiomegaly", "pulmonary edema", "nodule")
OUTLINED = ("cardiomegaly",)
GRADED = ("pulmonary edema", "cardiomegaly")
BOXED = ("cardiomegaly", "pleural effusion", "nodule")


def phantom_experiments(cohort: Manifest, work: Path, store: Path) -> Iterator[Experiment]:
    """The tables of the synthetic cohort, the cheap ones first."""
    labelled = written(cohort, work / "labelled.parquet", lambda one: told_of(one, LABELS))
    halved = written(cohort, work / "halved.parquet", lambda one: told_of(thinned(one, 2), LABELS))
    graded = written(
        cohort,
        work / "graded_half.parquet",
        lambda one: told_of(grade_zero_where_absent(thinned(one, 2)), GRADED),
    )
    shown = written(
        cohort, work / "shown.parquet", lambda one: told_of(with_any(one, OUTLINED), OUTLINED)
    )
    boxed = written(cohort, work / "boxed.parquet", lambda one: told_of(thinned(one, 4), BOXED))
    whole = Experiment(
        task="linear-probe",
        data="phantom",
        manifest=labelled,
        root=cohort.root,
        names=LABELS,
        stores=(store,),
    )
    yield whole
    yield replace(whole, task="classification", manifest=halved, steps=200)
    yield replace(
        whole, task="segmentation", names=OUTLINED, manifest=shown, steps=40, batch_size=4
    )
    yield replace(whole, task="grading", names=GRADED, manifest=graded, steps=200)
    yield replace(whole, task="detection", names=BOXED, manifest=boxed, steps=200)


def real_experiments(nih: Manifest, covid: Manifest, work: Path) -> Iterator[Experiment]:
    """The tables of real films. Where there are a few dozen the patients are cross-validated."""
    stores = tuple(one.path.with_suffix(".store") for one in (nih, covid))
    pneumonia = Experiment(
        task="linear-probe",
        data="nih_cxr",
        manifest=nih.path,
        root=nih.root,
        names=("pneumonia",),
        stores=stores[:1],
    )
    lungs = Experiment(
        task="segmentation",
        data="covid_cxr",
        manifest=covid.path,
        root=covid.root,
        names=("lung",),
        fractions=(1.0,),
        seeds=1,
        steps=100,
        batch_size=8,
        stores=stores[1:],
    )
    few = replace(lungs, folds=5, steps=40, batch_size=4)
    yield pneumonia
    yield lungs
    yield replace(few, task="severity", names=("brixia_senior_global",), batch_size=16)
    yield replace(few, data="covid_cxr outlined", names=("ground glass opacities",))
    read = written(nih, work / "read_by_rsna.parquet", lambda one: read_by_rsna(one, nih.root))
    yield replace(
        few,
        task="detection",
        data="nih_cxr read by RSNA",
        manifest=read,
        root=nih.root,
        names=("lung opacity",),
        stores=stores[:1],
    )
    yield replace(
        few,
        task="severity",
        data="covid_cxr extent",
        names=("geographic_extent_mean", "opacity_mean"),
        batch_size=16,
    )


def read_by_rsna(studies: Sequence[Study], root: Path) -> list[Study]:
    """The films that RSNA's readers saw; on the others nobody looked for opacities.

    RSNA's class says on which of them there is none: a film without a box teaches, too.
    """
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as handle:
        read = {row["image"]: row["rsna_class"] for row in csv.DictReader(handle)}
    return [
        replace(
            study,
            findings=(
                *study.findings,
                Finding(
                    name="lung opacity",
                    value=Assertion.PRESENT if read[path] == "Lung Opacity" else Assertion.ABSENT,
                ),
            ),
        )
        for study in studies
        for path in (study.radiographs[0].path,)
        if read[path]
    ]


def written(
    cohort: Manifest, path: Path, change: Callable[[Sequence[Study]], Sequence[Study]]
) -> Path:
    """The cohort with changed studies, as a manifest of its own."""
    if not path.exists():
        write_manifest(change(cohort.studies), path, cohort.root)
    return path


def told_of(studies: Sequence[Study], names: Sequence[str]) -> list[Study]:
    """The studies without what a table does not ask for: a manifest that is read quickly."""
    wanted = {canonical(name) for name in names}
    return [
        replace(
            study,
            report=Report(),
            findings=tuple(one for one in study.findings if canonical(one.name) in wanted),
            boxes=tuple(one for one in study.boxes if canonical(one.label) in wanted),
            masks=tuple(one for one in study.masks if canonical(one.label) in wanted),
            severity=tuple(one for one in study.severity if canonical(one.name) in wanted),
        )
        for study in studies
    ]


def grade_zero_where_absent(studies: Sequence[Study]) -> list[Study]:
    """The cohort grades what is present, from 1; what a study lists as absent has grade 0."""
    return [
        replace(
            study,
            severity=(
                *study.severity,
                *(
                    Severity(name=finding.name, reader=None, value=0.0)
                    for finding in study.findings
                    if finding.value is Assertion.ABSENT and finding.name in GRADED
                ),
            ),
        )
        for study in studies
    ]


def with_any(studies: Sequence[Study], names: Sequence[str]) -> list[Study]:
    """The studies that show at least one of the findings."""
    wanted = {canonical(name) for name in names}
    return [
        study
        for study in studies
        if any(
            finding.value is Assertion.PRESENT and canonical(finding.name) in wanted
            for finding in study.findings
        )
    ]


def thinned(studies: Sequence[Study], keep: int) -> list[Study]:
    """One of so many patients of the test and validation parts: to measure takes long, too."""
    held_out = sorted({study.patient_id for study in studies if study.split != "train"})
    kept = set(held_out[::keep])
    return [study for study in studies if study.split == "train" or study.patient_id in kept]


def run(
    experiment: Experiment, groups: Sequence[Group], starts: Path, work: Path, *, keep: bool
) -> None:
    """Measures every group of starts that is there and has no rows yet."""
    done = recorded(experiment)
    for group in groups:
        models = [starts / name / "model" for name in group.starts]
        wanted = {(group.encoder, name) for name in group.starts}
        if wanted <= done or not all(model.is_dir() for model in models):
            continue
        out = work / experiment.data / experiment.task / "-".join(group.starts)
        rows = measured(experiment, models, out, random_start=group.random)
        for line in records(experiment, group.encoder, rows):
            print(line)
            if keep:
                record("finetuning", line)


def recorded(experiment: Experiment) -> set[tuple[str, str]]:
    """Encoder and start of everything that the table has of an experiment."""
    path = Path(__file__).parent / "finetuning.csv"
    wanted = (experiment.task, experiment.data, str(experiment.steps), "; ".join(experiment.names))
    with path.open(encoding="utf-8", newline="") as handle:
        return {
            (row["encoder"], row["start"])
            for row in csv.DictReader(handle)
            if (row["task"], row["data"], row["steps"], row["names"]) == wanted
        }


def main() -> None:
    """Runs the queue."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--nih", type=Path)
    parser.add_argument("--covid", type=Path)
    parser.add_argument("--starts", type=Path, required=True)
    parser.add_argument("--start", action="append", default=[], help="groups with one of these")
    parser.add_argument("--only", action="append", default=[], help="TASK of the cohort, or real")
    parser.add_argument("--work", type=Path, default=Path("build/finetuning"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    named = set(arguments.start)
    groups = [group for group in GROUPS if not named or named & set(group.starts)]
    cohort = Manifest.read(arguments.cohort, arguments.root)
    for experiment in phantom_experiments(cohort, arguments.work, arguments.store):
        if not arguments.only or experiment.task in arguments.only:
            run(experiment, groups, arguments.starts, arguments.work, keep=arguments.record)
    if arguments.nih and arguments.covid and (not arguments.only or "real" in arguments.only):
        real = Manifest.read(arguments.nih), Manifest.read(arguments.covid)
        for experiment in real_experiments(*real, arguments.work):
            run(experiment, groups, arguments.starts, arguments.work, keep=arguments.record)


if __name__ == "__main__":
    main()
