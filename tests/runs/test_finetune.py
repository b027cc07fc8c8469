"""Fine-tuning from a model folder to models that can be asked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import carina
from carina.encoders.upsampling import ProgressiveUpsampling
from carina.errors import CheckpointError, ConfigError, ManifestError, ModelError, QueryError
from carina.evaluation.detection import evaluate_detection
from carina.evaluation.grading import evaluate_grading
from carina.evaluation.pooling import pooled
from carina.evaluation.run import EvaluationRequest, evaluate
from carina.evaluation.segmentation import evaluate_segmentation
from carina.evaluation.table import evaluation_table
from carina.evaluation.task_page import task_page
from carina.evaluation.tuned import evaluate_tuned
from carina.finetuning.classification import ClassificationSettings
from carina.finetuning.detection import DetectionSettings
from carina.finetuning.detector import Detector
from carina.finetuning.grader import Grader, Grades
from carina.finetuning.grading import GradingSettings
from carina.finetuning.linear_probe import ProbeSettings
from carina.finetuning.segmentation import FocalAndLogDice, SegmentationSettings
from carina.finetuning.segmenter import Segmenter, SegmenterConfig, UpsamplingSegmenter
from carina.finetuning.yolo import YOLODetector, YOLOSettings
from carina.pages.report_page import render_report_page
from carina.runs.finetune import Tuned, finetune, recorded_overlaps
from carina.runs.job import TaskSettings
from carina.runs.overlap import Overlap, overlaps
from carina.runs.request import FinetuneRequest, names_to_tune
from carina.runs.starts import opened_starts
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.trained_on import read_trained_on, write_trained_on
from carina.studies.truth import absent_where_only_presence_is_listed
from carina.study import Assertion, Box, Finding, Mask, Radiograph, Severity, Study
from carina.training.optimiser import AdamW, EqualRates

STUDIES = 60


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Pictures that are bright where the finding is present: half of them."""
    folder = tmp_path_factory.mktemp("labelled")
    generator = np.random.default_rng(0)
    studies = []
    for number in range(STUDIES):
        present = bool(number % 2)
        picture = generator.integers(0, 90, (80, 80)).astype(np.uint8)
        picture[20:60, 20:60] += np.uint8(120 * present)
        Image.fromarray(picture).save(folder / f"{number}.png")
        studies.append(
            Study(
                study_id=f"s{number}",
                patient_id=f"p{number}",
                source="test",
                radiographs=(Radiograph(path=f"{number}.png", view="PA"),),
                findings=(
                    Finding(
                        name="opacity",
                        value=Assertion.PRESENT if present else Assertion.ABSENT,
                    ),
                ),
                severity=(
                    Severity(name="grade", value=3.0 * present),
                    Severity(name="extent", value=2.5 + 4.0 * present),
                ),
                split="train" if number < 30 else "validate" if number < 45 else "test",
            )
        )
    write_manifest(studies, folder / "m.parquet", folder)
    return Manifest.read(folder / "m.parquet")


@pytest.fixture(scope="module")
def outlined(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Pictures of 60 x 80 with a bright ellipse, which is the mask."""
    folder = tmp_path_factory.mktemp("outlined")
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:60, :80]
    studies = []
    for number in range(25):
        y, x = generator.uniform(20, 40), generator.uniform(25, 55)
        inside = ((rows - y) / 14) ** 2 + ((columns - x) / 18) ** 2 < 1
        picture = generator.integers(0, 60, (60, 80)) + 150 * inside
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray((255 * inside).astype(np.uint8)).save(folder / f"m{number}.png")
        studies.append(
            Study(
                study_id=f"s{number}",
                patient_id=f"p{number}",
                source="test",
                radiographs=(Radiograph(path=f"{number}.png", view="PA", width=80, height=60),),
                masks=(Mask(radiograph=0, label="lung", path=f"m{number}.png"),),
                boxes=(
                    Box(radiograph=0, label="lung", x1=x - 18, y1=y - 14, x2=x + 18, y2=y + 14),
                ),
                split="train" if number < 15 else "validate" if number < 20 else "test",
            )
        )
    write_manifest(studies, folder / "m.parquet", folder)
    return Manifest.read(folder / "m.parquet")


def request(task: str, *, frozen: bool = False, **changed) -> FinetuneRequest:
    settings = ClassificationSettings(frozen=frozen)
    training = replace(
        settings.training,
        steps=6,
        checkpoint_every=2,
        batch_size=8,
        optimiser=AdamW(rate=1e-2, layers=EqualRates()),
    )
    drawing = SegmentationSettings(training=replace(training, steps=30, checkpoint_every=10))
    tasks = TaskSettings(
        classification=replace(settings, training=training),
        query_classification=replace(settings, training=training),
        probe=ProbeSettings(penalties=(0.01, 1.0)),
        segmentation=drawing,
        detection=DetectionSettings(training=replace(training, steps=60, checkpoint_every=20)),
        yolo=YOLOSettings(
            width=32,
            training=replace(
                training,
                steps=100,
                checkpoint_every=25,
                optimiser=AdamW(rate=3e-3, layers=EqualRates()),
            ),
        ),
        grading=GradingSettings(
            training=replace(
                training,
                steps=60,
                checkpoint_every=20,
                optimiser=AdamW(rate=3e-3, layers=EqualRates()),
            )
        ),
    )
    return FinetuneRequest(**{"task": task, "names": ("opacity",), "settings": tasks, **changed})


def tune(run: Path, manifest: Manifest, out: Path, task: str, **changed) -> list[Tuned]:
    options = {key: changed.pop(key) for key in ("random_start", "resume") if key in changed}
    return list(finetune([run], manifest, out, request(task, **changed), **options))


def test_a_probe_learns_what_is_there_and_its_model_is_asked(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    tuned = tune(
        tiny_run,
        labelled,
        tmp_path / "out",
        "linear-probe",
        fractions=(0.4, 1.0),
        seeds=(0, 1),
        random_start=True,
    )
    assert [(t.start, t.fraction, t.seed) for t in tuned] == [
        (start, fraction, seed)
        for start in ("run", "random")
        for fraction in (0.4, 1.0)
        for seed in (0, 1)
    ]
    assert [t.patients for t in tuned[:4]] == [12, 12, 30, 30]
    small = set((tuned[0].folder / "patients.csv").read_text().split()[1:])
    large = set((tuned[2].folder / "patients.csv").read_text().split()[1:])
    assert len(small) == 12
    assert small < large
    model = carina.load(tuned[2].folder)
    pictures = [labelled.absolute(f"{number}.png") for number in range(50, 60)]
    scores = model.ask(pictures, ["opacity"]).scores[:, 0]
    assert scores[1::2].min() > scores[::2].max()
    with pytest.raises(QueryError, match="trained on opacity"):
        model.ask(pictures[:1], ["edema"])


def test_classification_keeps_the_best_step_by_validation(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    asked = request("classification")
    settings = asked.settings.classification
    calm = replace(
        settings.training,
        steps=60,
        checkpoint_every=20,
        optimiser=AdamW(rate=3e-3, layers=EqualRates()),
    )
    tasks = replace(asked.settings, classification=replace(settings, training=calm))
    (tuned,) = finetune([tiny_run], labelled, tmp_path / "out", replace(asked, settings=tasks))
    lines = (tuned.folder / "validation.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "20", "40", "60"]
    rows = [float(line.split(",")[1]) for line in lines[1:]]
    assert max(rows) > 0.95
    model = carina.load(tuned.folder).model
    pictures = [labelled.absolute(f"{number}.png") for number in range(50, 60)]
    scores = carina.load(tuned.folder).ask(pictures, ["opacity"]).scores[:, 0]
    assert scores[1::2].mean() > scores[::2].mean()
    start = carina.load(tiny_run).model
    moved = (
        model.image_encoder.state_dict()["conv1.weight"]
        != start.image_encoder.state_dict()["conv1.weight"]
    )
    assert moved.any()


def test_a_frozen_encoder_stays_as_it_is(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    frozen = request("classification", frozen=True)
    (tuned,) = finetune([tiny_run], labelled, tmp_path / "out", frozen)
    before = carina.load(tiny_run).model.image_encoder.state_dict()
    after = carina.load(tuned.folder).model.image_encoder.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    tiny_run: Path, labelled: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(tiny_run, labelled, tmp_path / "whole", "classification")[0]
    from carina.finetuning.best import BestByValidation

    look = BestByValidation.look

    def stop_at_4(self: BestByValidation, step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt
        look(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(BestByValidation, "look", stop_at_4)
        with pytest.raises(KeyboardInterrupt):
            tune(tiny_run, labelled, tmp_path / "cut", "classification")
    with pytest.raises(CheckpointError, match="--resume"):
        tune(tiny_run, labelled, tmp_path / "cut", "classification")
    again = tune(tiny_run, labelled, tmp_path / "cut", "classification", resume=True)[0]
    for name in ("validation.csv", "model/model.safetensors"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_run_of_something_else_is_not_continued(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    tune(tiny_run, labelled, tmp_path / "out", "linear-probe")
    with pytest.raises(CheckpointError, match=r"other values of: fractions"):
        tune(tiny_run, labelled, tmp_path / "out", "linear-probe", fractions=(0.5,), resume=True)


def test_features_are_made_once(
    tiny_run: Path, labelled: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from carina.runs import tuning

    asked: list[int] = []
    make = tuning.frozen_features

    def counting(encoder, preprocessing, store, keys, device, title):
        asked.append(len(keys))
        return make(encoder, preprocessing, store, keys, device, title)

    monkeypatch.setattr(tuning, "frozen_features", counting)
    tune(tiny_run, labelled, tmp_path / "out", "linear-probe", fractions=(0.5, 1.0))
    assert asked == [15, 15, 15]  # half of 30, the 15 of validation, the other half


def test_a_patient_in_train_and_test_is_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    studies = list(labelled.studies)
    studies[-1] = replace(studies[-1], patient_id="p0")
    write_manifest(studies, tmp_path / "leak.parquet", labelled.root)
    with pytest.raises(ManifestError, match=r"1 patients stand in both train and test.*'p0'"):
        tune(tiny_run, Manifest.read(tmp_path / "leak.parquet"), tmp_path / "o", "linear-probe")
    assert not (tmp_path / "o").exists()


def test_a_picture_in_train_and_test_is_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    studies = list(labelled.studies)
    studies[-1] = replace(studies[-1], radiographs=studies[0].radiographs)
    write_manifest(studies, tmp_path / "leak.parquet", labelled.root)
    with pytest.raises(ManifestError, match=r"1 pictures stand in both train and test.*'0.png'"):
        tune(tiny_run, Manifest.read(tmp_path / "leak.parquet"), tmp_path / "o", "linear-probe")


def test_a_tuned_model_tells_whom_it_and_its_start_were_trained_on(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    (tuned,) = tune(tiny_run, labelled, tmp_path / "out", "linear-probe", fractions=(0.5,))
    drawn = set((tuned.folder / "patients.csv").read_text().split()[1:])
    told = read_trained_on(tuned.folder / "model")
    start = read_trained_on(tiny_run)
    assert told is not None
    assert start is not None
    assert set(told.filter(told["source"] == "test")["patient_id"]) == drawn
    assert set(start["patient_id"]) <= set(told["patient_id"])


def with_trained_on(run: Path, patients: list[str], folder: Path) -> Path:
    """A copy of a run that was trained on patients of the source `test`."""
    copied = shutil.copytree(run, folder / "seen")
    studies = [
        Study(study_id=patient, patient_id=patient, source="test", radiographs=())
        for patient in patients
    ]
    write_trained_on(studies, copied)
    return copied


def test_a_start_that_has_seen_test_patients_is_told_and_recorded(
    tiny_run: Path, labelled: Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start = with_trained_on(tiny_run, ["p0", "p50", "p51", "elsewhere"], tmp_path)
    options = {"fractions": (0.5,), "random_start": True}
    tuned = tune(start, labelled, tmp_path / "out", "linear-probe", **options)
    assert "seen: was pre-trained on 2 of the 15 test patients (2 of their studies)" in caplog.text
    assert "p50" not in caplog.text
    assert "random" not in caplog.text
    (told,) = recorded_overlaps(tmp_path / "out")
    assert (told.start, told.patients, told.studies, told.of) == ("seen", 2, 2, 15)
    by_random = read_trained_on(tuned[1].folder / "model")
    assert by_random is not None
    assert "elsewhere" not in by_random["patient_id"].to_list()  # fresh weights have seen nobody


def test_every_patient_is_tested_in_a_cross_validation(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    start = opened_starts([with_trained_on(tiny_run, ["p0", "p50"], tmp_path)], random_start=False)
    (told,) = overlaps(start, labelled, every_split=True)
    assert (told.patients, told.of) == (2, 60)
    (told,) = overlaps(start, labelled, every_split=False)
    assert (told.patients, told.of) == (1, 15)


def test_a_start_of_which_nothing_tells_whom_it_was_trained_on_is_told(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run / "model", tmp_path / "official")
    start = opened_starts([tmp_path / "official"], random_start=True)
    (told,) = overlaps(start, labelled, every_split=False)
    assert not told.known
    assert "official: nothing tells whom it was pre-trained on" in str(told)
    (tuned,) = tune(tmp_path / "official", labelled, tmp_path / "out", "linear-probe")
    (told,) = overlaps(
        opened_starts([tuned.folder], random_start=False), labelled, every_split=True
    )
    assert (told.known, told.patients) == (False, 30)
    assert "was pre-trained on at least 30 of the 60 test patients" in str(told)


def test_a_start_that_has_seen_none_is_said_to_be_fair() -> None:
    told = Overlap(start="kad", known=True, patients=0, studies=0, of=12)
    assert str(told) == "kad: was pre-trained on none of the 12 test patients."
    assert not told.doubtful


@pytest.mark.parametrize(
    ("task", "name", "hint"),
    [
        ("linear-probe", "opacty", "Did you mean opacity?"),
        ("severity", "extend", "Did you mean extent?"),
        ("grading", "brixia", "expected some of extent, grade."),
    ],
)
def test_a_name_that_the_manifest_does_not_list_is_refused_with_those_near_it(
    labelled: Manifest, task: str, name: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=f"called '{name}'") as refused:
        names_to_tune(task, labelled, [name])
    assert hint in str(refused.value)


def test_a_task_of_which_the_manifest_lists_nothing_is_refused(labelled: Manifest) -> None:
    with pytest.raises(ManifestError, match=r"lists no masks or boxes, which segmentation is"):
        names_to_tune("segmentation", labelled, [])


def test_normal_is_one_of_the_classes_that_exclude_one_another(labelled: Manifest) -> None:
    studies = [
        replace(one, findings=(Finding(name=name, value=Assertion.PRESENT),))
        for one, name in zip(labelled.studies, ["normal", "COVID-19"] * 30, strict=True)
    ]
    classes = labelled.with_studies(studies)
    assert names_to_tune("multiclass", classes, []) == ("covid-19", "normal")
    assert names_to_tune("classification", classes, []) == ("covid-19",)


def test_a_study_with_two_labels_of_one_finding_is_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    studies = list(labelled.studies)
    other = Finding(name="Opacity", value=Assertion.ABSENT)
    studies[1] = replace(studies[1], findings=(*studies[1].findings, other))
    write_manifest(studies, tmp_path / "m.parquet", labelled.root)
    with pytest.raises(ManifestError, match=r"1 studies have two labels of one finding.*'s1'"):
        tune(tiny_run, Manifest.read(tmp_path / "m.parquet"), tmp_path / "o", "linear-probe")


def test_labels_that_are_all_unknown_are_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    unsure = (Finding(name="opacity", value=Assertion.UNCERTAIN),)
    studies = [replace(study, findings=unsure) for study in labelled.studies]
    write_manifest(studies, tmp_path / "m.parquet", labelled.root)
    with pytest.raises(ManifestError, match="none of 30 stored frontal radiographs has a known"):
        tune(tiny_run, Manifest.read(tmp_path / "m.parquet"), tmp_path / "o", "linear-probe")


def test_more_outputs_than_labels_are_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"lists no findings called 'mass'; expected some of o"):
        tune(tiny_run, labelled, tmp_path / "o", "linear-probe", names=("opacity", "mass"))
    present = Finding(name="mass", value=Assertion.PRESENT)
    studies = [
        replace(one, findings=(*one.findings, present)) if one.split == "test" else one
        for one in labelled.studies
    ]
    write_manifest(studies, tmp_path / "m.parquet", labelled.root)
    manifest = Manifest.read(tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=r"example of each kind for mass \(0 present"):
        tune(tiny_run, manifest, tmp_path / "o", "linear-probe", names=("opacity", "mass"))


def test_a_checkpoint_of_another_width_is_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    copied = shutil.copytree(tiny_run / "model", tmp_path / "other")
    weights = load_file(copied / "model.safetensors")
    name = next(name for name in weights if name.endswith("conv1.weight"))
    weights[name] = weights[name][:2].contiguous()
    save_file(weights, copied / "model.safetensors")
    with pytest.raises(ModelError, match=r"conv1\.weight"):
        tune(copied, labelled, tmp_path / "o", "linear-probe")


@pytest.mark.parametrize("part", ["train", "validate", "test"])
def test_a_manifest_without_one_of_the_parts_is_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path, part: str
) -> None:
    studies = [study for study in labelled.studies if study.split != part]
    write_manifest(studies, tmp_path / "m.parquet", labelled.root)
    with pytest.raises(ManifestError, match=f"no study in the split {part}; .*--folds"):
        tune(tiny_run, Manifest.read(tmp_path / "m.parquet"), tmp_path / "o", "linear-probe")


def test_a_fraction_without_an_example_is_refused_before_anything_is_trained(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match=r"0.02 of the labels, seed 0.*opacity"):
        tune(tiny_run, labelled, tmp_path / "out", "linear-probe", fractions=(0.02,))
    assert not (tmp_path / "out" / "run").exists()
    assert not (tmp_path / "out" / "finetune.json").exists()  # larger ones may be tried there


def test_a_model_without_an_image_encoder_is_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="TextEncoder, which has no image encoder"):
        tune(tiny_run / "knowledge", labelled, tmp_path / "out", "linear-probe")


def test_two_starts_of_one_name_are_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    twin = shutil.copytree(tiny_run, tmp_path / "run")
    with pytest.raises(ConfigError, match="both called 'run'"):
        list(finetune([tiny_run, twin], labelled, tmp_path / "o", request("linear-probe")))


def test_a_store_that_is_too_small_is_refused(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    from carina.imaging.building import build_store

    build_store([("0.png", labelled.absolute("0.png"))], tmp_path / "store", 32, processes=1)
    with pytest.raises(ConfigError, match="smaller than the input of 64"):
        tune(tiny_run, labelled, tmp_path / "o", "linear-probe", stores=(tmp_path / "store",))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"task": "regression"},
            "expected one of classification, ",
        ),
        ({"names": ()}, "expected different names"),
        ({"names": ("effusion", "pleural effusion")}, "expected different names"),
        ({"fractions": (0.0,)}, "Fractions must be"),
        ({"seeds": ()}, r"The seeds are \[\]; expected different numbers"),
        ({"seeds": (-1,)}, r"The seeds are \[-1\]"),
        ({"task": "linear_probe"}, r"Did you mean linear-probe\?"),
        ({"folds": 2}, "folds is 2, expected 3 or more"),
    ],
)
def test_requests_that_cannot_work_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FinetuneRequest(**{"task": "linear-probe", "names": ("edema",), **changed})


def test_a_policy_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="--uncertain is 'maybe'"):
        TaskSettings(uncertainty="maybe")


def test_masks_are_learnt_and_drawn_on_the_original_pixels(
    tiny_run: Path, outlined: Manifest, tmp_path: Path
) -> None:
    (tuned,) = tune(tiny_run, outlined, tmp_path / "out", "segmentation", names=("lung",))
    model = carina.load(tuned.folder).model
    assert isinstance(model, Segmenter)
    evaluation = evaluate_segmentation(model, outlined)
    assert evaluation.images == 5
    assert evaluation.findings["lung"]["dice"].value > 0.9
    assert evaluation.findings["lung"]["false_alarm"].value is None
    assert evaluation.predictions["dice"].min() > 0.8
    asked = evaluate(model, outlined, EvaluationRequest(task="tuned", replicates=50))
    assert asked.findings["lung"]["dice"].value == evaluation.findings["lung"]["dice"].value
    page = render_report_page(task_page(asked, model, outlined))
    assert "Segmentation by a fine-tuned model" in page
    assert evaluation_table(asked).row_count == 2


def test_the_record_tells_what_was_asked(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    tune(tiny_run, labelled, tmp_path / "out", "linear-probe")
    record = json.loads((tmp_path / "out" / "finetune.json").read_text())
    assert record["findings"] == ["opacity"]
    assert record["data"] == labelled.digest
    assert set(record["starts"]) == {"run"}


@pytest.mark.parametrize(
    ("task", "name", "metric"),
    [("grading", "grade", "kappa"), ("severity", "extent", "correlation")],
)
def test_severity_is_learnt(
    tiny_run: Path, labelled: Manifest, tmp_path: Path, task: str, name: str, metric: str
) -> None:
    (tuned,) = tune(tiny_run, labelled, tmp_path / "out", task, names=(name,))
    model = carina.load(tuned.folder).model
    assert isinstance(model, Grader)
    evaluation = evaluate_grading(model, labelled)
    assert evaluation.task == task
    assert evaluation.images == 15
    assert evaluation.findings[name][metric].value > 0.8
    assert evaluation_table(evaluation).row_count == 2
    together = pooled([evaluation], replicates=20)
    assert together.findings[name][metric].value == evaluation.findings[name][metric].value


def test_a_grade_that_the_fraction_lacks_can_still_be_told(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    studies = [
        replace(one, severity=(Severity(name="grade", value=min(one.severity[0].value, 2.0)),))
        if one.split == "train"
        else one
        for one in labelled.studies
    ]
    write_manifest(studies, tmp_path / "m.parquet", labelled.root)
    manifest = Manifest.read(tmp_path / "m.parquet")
    asked = request("grading", names=("grade",))
    training = replace(asked.settings.grading.training, steps=1, checkpoint_every=1)
    settings = replace(asked.settings, grading=GradingSettings(training=training))
    (tuned,) = tune(
        tiny_run, manifest, tmp_path / "out", "grading", names=("grade",), settings=settings
    )
    model = carina.load(tuned.folder).model
    assert isinstance(model, Grader)
    assert model.config.scale == Grades(highest=3)


@pytest.mark.parametrize(
    ("task", "kind"), [("detection", Detector), ("yolo-detection", YOLODetector)]
)
def test_boxes_are_learnt_and_drawn_on_the_original_pixels(
    tiny_run: Path, outlined: Manifest, tmp_path: Path, task: str, kind: type
) -> None:
    (tuned,) = tune(tiny_run, outlined, tmp_path / "out", task, names=("lung",))
    model = carina.load(tuned.folder).model
    assert isinstance(model, kind)
    evaluation = evaluate_detection(model, outlined, replicates=50)
    assert evaluation.images == 5
    assert evaluation.findings["lung"]["ap50"].value > 0.8
    assert evaluation.findings["lung"]["map"].value > 0.5


def test_a_film_on_which_a_finding_is_not_listed_is_measured_as_an_empty_mask(
    tiny_run: Path, outlined: Manifest, tmp_path: Path
) -> None:
    """A release of positives, such as SIIM's: trained so, and no test film is dropped."""
    present = (Finding(name="lung", value=Assertion.PRESENT),)
    studies = [
        replace(study, findings=present)
        if number % 2
        else replace(study, masks=(), boxes=(), findings=())
        for number, study in enumerate(outlined.studies)
    ]
    write_manifest(studies, tmp_path / "m.parquet", outlined.root)
    positives = Manifest.read(tmp_path / "m.parquet")
    model = Segmenter(
        SegmenterConfig(
            image=carina.load(tiny_run).model.image_encoder.config,
            preprocessing=carina.load(tiny_run).model.preprocessing,
            structures=("lung",),
        )
    )
    evaluation = evaluate_segmentation(model, positives)
    assert evaluation.images == 5
    assert evaluation.positives == {"lung": 2}
    assert evaluation.findings["lung"]["false_alarm"].value is not None


def test_a_damaged_record_is_told(tiny_run: Path, labelled: Manifest, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "finetune.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"finetune.json: cannot be read"):
        tune(tiny_run, labelled, tmp_path / "out", "linear-probe", resume=True)


@pytest.mark.parametrize("task", ["query-probe", "query-classification"])
def test_a_query_network_is_tuned_and_its_model_is_asked(
    tiny_run: Path, labelled: Manifest, tmp_path: Path, task: str
) -> None:
    tuned = tune(tiny_run, labelled, tmp_path / "out", task, random_start=True)
    assert [one.start for one in tuned] == ["run", "random"]
    before = carina.load(tiny_run).model.image_encoder.state_dict()
    model = carina.load(tuned[0].folder)
    moved = [
        not torch.equal(value, before[name])
        for name, value in model.model.image_encoder.state_dict().items()
    ]
    assert any(moved) == (task == "query-classification")
    pictures = [labelled.absolute(f"{number}.png") for number in range(50, 60)]
    answer = model.ask(pictures, ["opacity"])
    assert answer.scores[1::2].mean() > answer.scores[::2].mean()
    evaluation = evaluate_tuned(
        model.model, labelled, ("opacity",), unmentioned=absent_where_only_presence_is_listed
    )
    assert evaluation.findings["opacity"]["auc"].value > 0.8
    asked = evaluate(model.model, labelled, EvaluationRequest(task="tuned", replicates=50))
    assert list(asked.findings) == ["opacity"]


def test_a_frozen_encoder_lets_the_query_network_learn(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    asked = request("query-classification")
    settings = asked.settings.query_classification
    tasks = replace(asked.settings, query_classification=replace(settings, frozen=True))
    (tuned,) = finetune([tiny_run], labelled, tmp_path / "out", replace(asked, settings=tasks))
    before, after = carina.load(tiny_run).model, carina.load(tuned.folder).model
    kept = after.image_encoder.state_dict()
    assert all(
        torch.equal(value, kept[name]) for name, value in before.image_encoder.state_dict().items()
    )
    assert any(
        not torch.equal(value, after.decoder.state_dict()[name])
        for name, value in before.decoder.state_dict().items()
    )


def test_a_start_without_a_query_network_is_refused_before_anything_is_trained(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    (tuned,) = tune(tiny_run, labelled, tmp_path / "first", "linear-probe")
    with pytest.raises(ModelError, match="a Classifier, which has no query network"):
        tune(tuned.folder, labelled, tmp_path / "out", "query-probe")
    assert not (tmp_path / "out").exists()


def test_classes_that_exclude_one_another_are_learnt(
    tiny_run: Path, labelled: Manifest, tmp_path: Path
) -> None:
    studies = [
        replace(
            study,
            findings=(
                Finding(name="opacity" if number % 2 else "normal", value=Assertion.PRESENT),
            ),
        )
        for number, study in enumerate(labelled.studies)
    ]
    write_manifest(studies, tmp_path / "m.parquet", labelled.root)
    manifest = Manifest.read(tmp_path / "m.parquet")
    names = ("normal", "opacity")
    asked = request("multiclass", names=names)
    training = replace(asked.settings.grading.training, steps=60, checkpoint_every=20)
    settings = replace(asked.settings.classification, training=training)
    tasks = replace(asked.settings, classification=settings)
    (tuned,) = finetune([tiny_run], manifest, tmp_path / "out", replace(asked, settings=tasks))
    model = carina.load(tuned.folder).model
    evaluation = evaluate_tuned(
        model, manifest, names, unmentioned=absent_where_only_presence_is_listed
    )
    assert evaluation.task == "multiclass"
    assert evaluation.positives == {"normal": 7, "opacity": 8}
    assert evaluation.mean["accuracy"].value > 0.8
    page = render_report_page(task_page(evaluation, model, manifest))
    assert "Mean accuracy" in page
    assert evaluation_table(evaluation).row_count == 3
    assert evaluation.findings["normal"]["auc"].value > 0.8
    again = pooled([evaluation], replicates=20)
    assert again.mean["accuracy"].value == evaluation.mean["accuracy"].value


def test_masks_are_learnt_by_progressive_upsampling_and_ecamps_loss(
    tiny_run: Path, outlined: Manifest, tmp_path: Path
) -> None:
    asked = request("segmentation", names=("lung",))
    settings = replace(
        asked.settings.segmentation,
        decoder=ProgressiveUpsampling(widest=32),
        loss=FocalAndLogDice(),
    )
    tasks = replace(asked.settings, segmentation=settings)
    (tuned,) = finetune([tiny_run], outlined, tmp_path / "out", replace(asked, settings=tasks))
    model = carina.load(tuned.folder).model
    assert isinstance(model, UpsamplingSegmenter)
    evaluation = evaluate_segmentation(model, outlined)
    assert evaluation.findings["lung"]["dice"].value > 0.85
