"""`carina demo`: the main job once, from nothing to a page, on a synthetic cohort.

Every step is one call of the library and leaves its result in the folder, so that the same
command goes on where it was stopped.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carina.evaluation.result import Evaluation
    from carina.evaluation.run import EvaluationRequest
    from carina.pages.report_content import AskedFinding, AskedRadiograph, Headline, ReportPage
    from carina.recipes.recipe import Recipe
    from carina.studies.manifest import Manifest
    from carina.zeroshot.answer import Answer
    from carina.zeroshot.ask import LoadedModel

EXAMPLES = (
    "carina demo",
    "carina demo --out demo --seed 1",
    "carina demo --out trial --small     (a minute; shows the path, not what a model can do)",
)
RECORD = "demo.json"
STEPS = 9
RECIPE = "kad_small"
SMALL_STUDIES = 300
SMALL_SETTINGS = ("knowledge.training.steps=20", "alignment.training.steps=30")
REAL_FILE = "RG1_UNCR.dcm"
REAL_QUERIES = ("mass", "nodule", "pleural effusion", "pneumothorax", "cardiomegaly")
NO_REAL_FILE = (
    "No real radiograph was asked about: the package pydicom-data, which ships one, is not "
    "installed. Install it with pip install 'carina[demo]' and run the command again."
)
REAL_NOTE = (
    f"A chest radiograph of a person with many round shadows in both lungs ({REAL_FILE} of the "
    "pydicom-data package, a DICOM file). It shows that real files are read and answered. "
    "The answers are not to be believed: this model has seen drawn radiographs only."
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a demo is asked to be; its parts lie in `out`."""

    out: Path
    studies: int
    seed: int
    settings: tuple[str, ...]

    def recipe(self) -> "Recipe":
        """The recipe with the settings.

        Raises:
            ConfigError: a setting does not exist, or cannot have this value.
        """
        from carina.recipes.catalogue import find_recipe
        from carina.recipes.override import with_settings

        return with_settings(find_recipe(RECIPE), self.settings)


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo: new, or one to go on with.")] = (
        Path("demo")
    ),
    studies: Annotated[
        int | None, typer.Option(min=60, help="Size of the cohort; 4100, or 300 with --small.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the cohort and of the training.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help=f"key=value of {RECIPE}, such as steps=100.")
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="Few studies and steps: the path, not the result.")
    ] = False,
) -> None:
    """Does everything once on a synthetic cohort, and shows it on one page.

    A stopped demo goes on with the same command; what is finished is kept.
    """
    plan = Plan(
        out=out,
        studies=studies or (SMALL_STUDIES if small else 4100),
        seed=seed,
        settings=(*(SMALL_SETTINGS if small else ()), *(settings or ())),
    )
    plan.recipe()  # a wrong setting is told before the work, not after it
    claim(plan)
    page = carried_out(plan)
    print_headlines(page.headlines)
    typer.echo(f"The page: {(out / 'index.html').resolve()}")


def claim(plan: Plan) -> None:
    """Notes whose folder this is, or refuses one that holds something else.

    Raises:
        OutputError: it is a file, holds other files, or a demo of other settings.
    """
    from carina.errors import OutputError
    from carina.files import write_text

    out, record = plan.out, plan.out / RECORD
    wanted = {"studies": plan.studies, "seed": plan.seed, "settings": list(plan.settings)}
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file, expected a folder to write to. Name another.")
    if record.exists():
        found = record.read_text(encoding="utf-8")
        if found != json.dumps(wanted):
            raise OutputError(
                f"{out}: holds a demo of {found}, expected {json.dumps(wanted)}. Ask for the same "
                "again to go on with it, or name another folder with --out."
            )
        return
    others = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if others:
        raise OutputError(
            f"{out}: holds {others[0]!r}, which is no part of a demo, expected a new or empty "
            "folder or an earlier demo. Nothing was written; name another folder with --out."
        )
    write_text(record, json.dumps(wanted))


def carried_out(plan: Plan) -> "ReportPage":
    """All steps, one after the other; those that are finished are not done again."""
    import carina
    from carina.imaging.building import build_store
    from carina.pages.report_page import write_report_page
    from carina.phantom.cohort import PhantomConfig, write_cohort
    from carina.runs.run import RunOptions, pretrain
    from carina.studies.packing import images_to_pack

    out, recipe, store = plan.out, plan.recipe(), plan.out / "store"
    with step(1, f"Draw a synthetic cohort of {plan.studies:,} studies with known truth"):
        write_cohort(PhantomConfig(studies=plan.studies, seed=plan.seed), out / "cohort")
    with step(2, "Index it: one manifest, one row a study"):
        manifest = indexed(out)
    with step(3, "Check it: broken files, patients in two splits"):
        check_once(manifest, out / "check.json")
    with step(4, "Read findings and anatomy out of its reports"):
        manifest = annotated(manifest, out / "annotated.parquet")
    with step(5, "Pack its training radiographs into an image store"):
        build_store(images_to_pack(manifest.split("train")), store, packed_side(recipe))
    with step(6, f"Pre-train {recipe.name} on images and reports, without a label"):
        options = RunOptions(seed=plan.seed, stores=(store,), resume=True)
        model = carina.load(pretrain(recipe, manifest, out / "run", options))
    with step(7, "Measure it on patients that it never saw"):
        evaluations = measured(model, manifest, out / "evaluation")
    with step(8, "Ask it about a real radiograph"):
        asked = asked_about_real(model, evaluations["zero-shot"], out / "real")
    with step(9, "Write the page"):
        page = page_of(plan, model, manifest, evaluations, asked)
        write_report_page(page, out / "index.html")
    return page


@contextmanager
def step(number: int, title: str) -> Iterator[None]:
    """Tells what begins, and how long it took."""
    typer.echo(f"{number}/{STEPS}  {title}")
    begun = time.monotonic()
    yield
    typer.echo(f"      {time.monotonic() - begun:.1f} s")


def indexed(out: Path) -> "Manifest":
    """The manifest of the cohort."""
    from carina.datasets.declaration import Release
    from carina.datasets.indexing import index_release
    from carina.datasets.registry import dataset_named
    from carina.studies.manifest import Manifest

    path, root = out / "cohort.parquet", out / "cohort"
    if path.exists():
        return Manifest.read(path, root)
    return index_release(dataset_named("phantom"), Release(root=root), path)


def check_once(manifest: "Manifest", path: Path) -> None:
    """Checks a manifest and keeps the answer.

    Raises:
        ManifestError: files are missing or damaged, or a patient is in two splits.
    """
    from carina.errors import ManifestError
    from carina.files import write_text
    from carina.studies.checks import check

    if path.exists():
        return
    report = check([manifest])
    if not report.healthy:
        raise ManifestError(
            f"{manifest.path}: {report.summary()} Remove the folder of the demo and begin again."
        )
    write_text(path, report.to_json() + "\n")


def annotated(manifest: "Manifest", path: Path) -> "Manifest":
    """The manifest with the entities of its reports."""
    from carina.annotation.annotate import annotate_manifest
    from carina.annotation.rules import Rules
    from carina.studies.manifest import Manifest, write_manifest

    if path.exists():
        return Manifest.read(path, manifest.root)
    studies = annotate_manifest(manifest, Rules()).studies
    return write_manifest(studies, path, manifest.root, manifest.dataset)


def packed_side(recipe: "Recipe") -> int:
    """The short side of the stored radiographs that the recipe trains on."""
    from carina.pretraining.kad_stage import AlignmentStage

    return next(s.store_size for s in recipe.stages if isinstance(s, AlignmentStage))


def measured(model: "LoadedModel", manifest: "Manifest", out: Path) -> dict[str, "Evaluation"]:
    """Scores of findings by name, of unseen ones by description too, and of heat-maps."""
    from carina.evaluation.run import EvaluationRequest
    from carina.knowledge.descriptions import Descriptions
    from carina.phantom.findings import FOCAL, SEEN, UNSEEN
    from carina.zeroshot.protocol import Query
    from carina.zeroshot.queries import described

    by_name = tuple(Query(name) for name in (*SEEN, *UNSEEN))
    focal = tuple(Query(name) for name in FOCAL if name in SEEN)
    with_text = described(UNSEEN, Descriptions.default().texts)
    requests = {
        "zero-shot": EvaluationRequest(queries=by_name),
        "described": EvaluationRequest(queries=with_text),
        "grounding": EvaluationRequest(task="grounding", queries=focal),
    }
    return {
        name: evaluated(model, manifest, request, out / name) for name, request in requests.items()
    }


def evaluated(
    model: "LoadedModel", manifest: "Manifest", request: "EvaluationRequest", folder: Path
) -> "Evaluation":
    """One evaluation; one of the same model that was made before is read."""
    from carina.evaluation.result import RESULT, Evaluation
    from carina.evaluation.run import evaluate

    name = model_name(model)
    if (folder / RESULT).exists():
        earlier = Evaluation.read(folder)
        if earlier.model == name:
            return earlier
    result = evaluate(model.model, manifest, request, model_name=name)
    result.save(folder)
    return result


def model_name(model: "LoadedModel") -> str:
    """The recipe, and the digest of the weights: another training gives another name."""
    from carina.models.folder import WEIGHTS

    assert model.folder is not None
    digest = hashlib.sha256((model.folder / WEIGHTS).read_bytes()).hexdigest()
    return f"{RECIPE} {digest[:12]}"


def real_file() -> Path | None:
    """A real chest radiograph that a package ships; None where it is not installed."""
    from pydicom.data import get_testdata_file

    found = get_testdata_file(REAL_FILE, download=False)
    return None if found is None else Path(str(found))


def asked_about_real(
    model: "LoadedModel", evaluation: "Evaluation", folder: Path
) -> "AskedRadiograph":
    """What the model says of a real radiograph, saved as `carina ask --out` does."""
    from carina.pages.report_content import AskedRadiograph

    file = real_file()
    if file is None:
        typer.echo(f"      {NO_REAL_FILE}")
        return AskedRadiograph(text=NO_REAL_FILE)
    answer = model.ask([file], REAL_QUERIES)
    answer.save(folder)
    findings = tuple(asked_finding(answer, i, evaluation) for i in range(len(REAL_QUERIES)))
    return AskedRadiograph(text=REAL_NOTE, image=answer.images[0].pixels(), findings=findings)


def asked_finding(answer: "Answer", query: int, evaluation: "Evaluation") -> "AskedFinding":
    """One answer; its score is set beside those of the drawn test radiographs."""
    from carina.pages.report_content import AskedFinding

    name, score = answer.queries[query].name, float(answer.scores[0, query])
    rows = evaluation.predictions
    others = rows["score"].filter(rows["query"] == name)
    share = int((others < score).sum()) / max(1, len(others))
    return AskedFinding(
        finding=name,
        score=score,
        heatmap=answer.heatmap(0, query),
        caption=f"Higher than {share:.0%} of the drawn test radiographs for this finding.",
    )


def page_of(
    plan: Plan,
    model: "LoadedModel",
    manifest: "Manifest",
    evaluations: dict[str, "Evaluation"],
    asked: "AskedRadiograph",
) -> "ReportPage":
    """Everything on one page."""
    from carina.evaluation.page import evaluation_page
    from carina.evaluation.run_page import run_facts, similarity_of, training_logs
    from carina.pages.report_content import RunFact
    from carina.phantom.findings import UNSEEN

    run, stages = plan.out / "run", [stage.name for stage in plan.recipe().stages]
    page = evaluation_page(
        evaluations["zero-shot"],
        model.model,
        manifest,
        grounding=evaluations["grounding"],
        unseen=UNSEEN,
        described=evaluations["described"],
        title="KAD, from radiographs and reports to measured answers",
    )
    return replace(
        page,
        summary=summary(plan, evaluations["zero-shot"]),
        asked=asked,
        training=training_logs(run, stages),
        similarity=similarity_of(run, stages),
        facts=(
            RunFact(name="recipe", value=" ".join((RECIPE, *plan.settings))),
            *run_facts(run, stages),
            *page.facts,
        ),
    )


def summary(plan: Plan, evaluation: "Evaluation") -> str:
    """What was done, in a paragraph."""
    changed = f" with {', '.join(plan.settings)}" if plan.settings else ""
    return (
        f"{plan.studies:,} chest radiographs with reports were drawn. A small KAD "
        f"({RECIPE}{changed}) learnt a graph of chest findings, then the training radiographs "
        "together with what their reports say, and no label. It was then asked by name about "
        f"{len(evaluation.findings)} findings on {evaluation.images:,} radiographs of patients "
        f"that it never saw. Thresholds come from validation patients. Intervals are 95%, from "
        f"resampling whole patients {evaluation.settings['replicates']:,} times."
    )


def print_headlines(headlines: "Sequence[Headline]") -> None:
    """The numbers at the top of the page."""
    from rich.table import Table

    from carina.cli.console import table_console
    from carina.pages.report_scores import headline_texts

    table = Table("measured on test patients", box=None, pad_edge=False)
    table.add_column("value", justify="right")
    table.add_column("")
    for headline in headlines:
        table.add_row(headline.label, *headline_texts(headline))
    table_console().print(table)
