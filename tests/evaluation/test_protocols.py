"""Protocols: whole, of data that are there, and carried out as they say."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from bright_cohort import BrightnessModel

from carina.cli.by_protocol import telling_how_many
from carina.cli.main import main
from carina.cli.reproduce import parts_of
from carina.datasets.registry import DATASETS
from carina.errors import (
    ConfigError,
    EvaluationError,
    ExamplesError,
    KnowledgeError,
    ManifestError,
)
from carina.evaluation.deviations import (
    finding_deviations,
    list_deviations,
    shortened,
)
from carina.evaluation.examples_needed import studies_needed
from carina.evaluation.protocol import (
    Asked,
    FineTuned,
    Grounded,
    Part,
    Protocol,
    at_fractions,
    with_other_names,
)
from carina.evaluation.protocol_run import (
    ACCURACY_OF_CLASSES,
    PROTOCOL,
    How,
    accuracy_of_classes,
    evaluate_by_protocol,
    prepared_manifest,
)
from carina.evaluation.protocol_text import families
from carina.evaluation.protocols import PROTOCOLS, protocol_named
from carina.evaluation.protocols_asked import PADCHEST_SEEN
from carina.evaluation.protocols_finetuned import valid_is_test
from carina.evaluation.result import Evaluation
from carina.evaluation.run import EvaluationRequest, evaluate
from carina.evaluation.sources import SYNTHETIC
from carina.evaluation.table import title_of
from carina.phantom.layout import LICENCE
from carina.runs.request import listed_names
from carina.runs.tasks import TASKS
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.truth import canonical
from carina.study import Assertion, Finding, Radiograph, Study
from carina.zeroshot.protocol import EncodedQueries, Query
from carina.zeroshot.queries import check_queries

QUICK = How(replicates=20)


def named(manifest: Manifest, dataset: str | None, path: Path) -> Manifest:
    """The manifest as if it had been indexed as a dataset."""
    return write_manifest(manifest.studies, path, manifest.root, dataset)


def protocol(**changed: object) -> Protocol:
    task = Asked(
        queries=(Query("pleural effusion"), Query("nodule")),
        metrics=("auc", "mcc"),
        groups={"seen": ("pleural effusion",)},
        least_positives=6,
        levels=(0.9, 0.5),
    )
    own = {
        "name": "kad/own",
        "section": "Section 1",
        "part": Part(datasets=("csv",), images=7),
        "task": task,
        "departures": ("Told.",),
    }
    return Protocol(**{**own, **changed})


def test_every_protocol_asks_of_data_that_carina_reads_and_of_tasks_that_it_has() -> None:
    known = {*DATASETS, "chexpert+chexpert-test"}
    for one in PROTOCOLS.values():
        assert set(one.part.datasets) <= known
        assert one.metrics
        if isinstance(one.task, FineTuned):
            assert one.task.task in TASKS
            assert 0 < one.task.fraction <= 1
        else:
            request = one.task.request(one.part.split)
            if request.queries is not None:
                check_queries([canonical(query.name) for query in request.queries])


def test_padchest_has_sixteen_names_that_kad_trained_on_and_177_others() -> None:
    task = protocol_named("kad/padchest").task
    assert isinstance(task, Asked)
    assert len(task.names) == 193
    assert len(set(PADCHEST_SEEN) & set(task.names)) == 16
    assert len(task.groups["unseen"]) == 177


def test_the_page_of_protocols_has_every_one_of_them() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "protocols.md").read_text(encoding="utf-8")
    for name in families(PROTOCOLS.values()):
        assert f"`{name}" in page


def test_a_protocol_that_there_is_not_is_refused_with_one_like_it() -> None:
    with pytest.raises(ConfigError, match="Did you mean kad/padchest"):
        protocol_named("kad/padchset")
    for share in ("", "@5%"):  # the shares that there are
        with pytest.raises(ConfigError, match="maco/rsna-detection@10% or maco"):
            protocol_named(f"maco/rsna-detection{share}")
    with pytest.raises(ConfigError, match="names no dataset"):
        Part(datasets=())


def test_shares_of_the_labels_are_protocols_of_their_own() -> None:
    task = FineTuned(task="classification", names=("nodule",), fraction=1.0, metrics=("auc",))
    made = at_fractions("kad/x", "", Part(datasets=("csv",)), task, (0.01, 1.0))
    assert [one.name for one in made] == ["kad/x@1%", "kad/x@100%"]
    assert [one.task.fraction for one in made if isinstance(one.task, FineTuned)] == [0.01, 1.0]


def study(name: str, split: str | None = "test", **findings: Assertion) -> Study:
    return Study(
        study_id=name,
        patient_id=name,
        source="chexpert",
        radiographs=(Radiograph(path=f"{name}.png", view="PA"),),
        findings=tuple(Finding(name=key, value=value) for key, value in findings.items()),
        split=split,
    )


def test_a_finding_is_told_under_another_name_too_unless_the_study_has_its_own_word(
    tmp_path: Path,
) -> None:
    here, gone = Assertion.PRESENT, Assertion.ABSENT
    one = study("a", Pneumonia=here)
    other = study("b", Pneumonia=here, **{"Lung Opacity": gone})
    manifest = write_manifest([one, other], tmp_path / "m.parquet", tmp_path)
    told = with_other_names(manifest, {"pneumonia": "lung opacity"}).studies
    assert [(f.name, f.value) for f in told[0].findings] == [
        ("Pneumonia", here),
        ("lung opacity", here),
    ]
    assert told[1].findings == other.findings


def test_chexperts_valid_part_tests_and_a_fortieth_of_its_training_part_validates(
    tmp_path: Path,
) -> None:
    studies = [study(f"p{number}", "train") for number in range(2000)]
    studies += [study("v", "validate"), study("t", "test")]
    manifest = write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    moved = {one.study_id: one.split for one in valid_is_test(manifest).studies}
    assert (moved["v"], moved["t"]) == ("test", None)
    validating = sum(split == "validate" for split in moved.values())
    assert 30 <= validating <= 71  # fifty, give or take three deviations
    more = write_manifest(
        [study(f"p{number}", "train") for number in range(10_000)], tmp_path / "l.parquet", tmp_path
    )
    validating = sum(one.split == "validate" for one in valid_is_test(more).studies)
    assert 179 <= validating <= 268  # 10,000 * 5,000 / 223,414 = 223.8, give or take three
    few = write_manifest(
        [study(f"p{number}", "train") for number in range(100)], tmp_path / "s.parquet", tmp_path
    )
    assert 8 <= sum(one.split == "validate" for one in valid_is_test(few).studies) <= 32  # a fifth


def test_a_protocol_tells_groups_counts_and_every_deviation(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    manifest = named(cohort, "csv", tmp_path / "m.parquet")
    found = evaluate_by_protocol(model, manifest, protocol(), QUICK)
    told = found.settings[PROTOCOL]
    names = sorted(
        Path(one.radiographs[0].path).stem for one in cohort.studies if one.split == "test"
    )
    assert told["images"] == len(names) == found.images
    assert told["digest"] == hashlib.sha256("".join(f"{n}\n" for n in names).encode()).hexdigest()
    assert told["deviations"][0] == f"{len(names)} radiographs scored, 7 in the paper."
    assert "The model sees 64 pixels, the paper's 224." in told["deviations"]
    assert told["deviations"][-1] == "Told."
    seen = told["groups"]["seen"]
    assert seen["findings"] == 1
    assert seen["mean"]["auc"]["value"] == found.findings["pleural effusion"]["auc"].value == 1.0
    assert seen["reaching"] == {"0.9": 1, "0.5": 1}
    many = told["groups"]["all, more than 6 positives"]
    enough = [name for name, positives in found.positives.items() if positives > 6]
    assert many["findings"] == len(enough)


def test_as_many_radiographs_but_others_are_seen_by_their_digest(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    manifest = named(cohort, None, tmp_path / "m.parquet")
    images = sum(one.split == "test" for one in cohort.studies)
    part = Part(datasets=("csv",), images=images, digest="0" * 64)
    told = evaluate_by_protocol(model, manifest, protocol(part=part), QUICK).settings[PROTOCOL]
    assert told["deviations"][0].startswith("The manifest is a table of one's own, or does not")
    assert "their digest differs" in told["deviations"][1]


def test_a_manifest_without_the_part_that_is_scored_is_refused(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    untested = [one for one in cohort.studies if one.split != "test"]
    manifest = named(cohort.with_studies(untested), "csv", tmp_path / "m.parquet")
    with pytest.raises(EvaluationError, match="no study is in the part 'test', which kad/own sco"):
        evaluate_by_protocol(model, manifest, protocol(), QUICK)
    bare = named(
        cohort.with_studies([replace(one, split=None) for one in untested]),
        "csv",
        tmp_path / "b.parquet",
    )
    with pytest.raises(EvaluationError, match=r"found none\. Index the whole release with"):
        evaluate_by_protocol(model, bare, protocol(), QUICK)


def test_other_lists_and_trainings_are_refused(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    manifest = named(cohort, "chestxray14", tmp_path / "m.parquet")
    with pytest.raises(EvaluationError, match="was indexed as chestxray14, but maco/chestxray14"):
        prepared_manifest(manifest, protocol_named("maco/chestxray14"))
    training = protocol_named("kad/chestxray14-classification@1%")
    with pytest.raises(EvaluationError, match=r"kad/chestxray14-classification@1% fine-tunes"):
        evaluate_by_protocol(model, manifest, training, QUICK)


def test_thresholds_that_are_missing_are_a_deviation_only_where_the_paper_needs_them(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    tested = [one for one in cohort.studies if one.split == "test"]
    manifest = write_manifest(tested, tmp_path / "m.parquet", cohort.root, "csv")
    lines = evaluate_by_protocol(model, manifest, protocol(), QUICK).settings[PROTOCOL]
    assert any(line.startswith("No threshold for any finding") for line in lines["deviations"])
    ranking = replace(protocol().task, metrics=("auc",))
    lines = evaluate_by_protocol(model, manifest, protocol(task=ranking), QUICK).settings[PROTOCOL]
    assert not any("No threshold" in line for line in lines["deviations"])


def test_grounding_has_its_own_protocols(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    manifest = named(cohort, "csv", tmp_path / "m.parquet")
    task = Grounded(queries=(Query("pleural effusion"),))
    found = evaluate_by_protocol(model, manifest, protocol(task=task), QUICK)
    assert found.task == "grounding"
    assert found.mean["pointing_game"].value == 1.0


def classes(rows: list[tuple[str, list[float], list[int]]]) -> Evaluation:
    """Predictions of three classes: patient, scores, truth."""
    frame = pl.DataFrame(
        [
            {"study": f"s{i}", "image": f"{i}.png", "patient": patient, "query": name}
            | {"score": score, "truth": truth}
            for i, (patient, scores, truths) in enumerate(rows)
            for name, score, truth in zip("abc", scores, truths, strict=True)
        ]
    )
    settings = {"aggregation": "image", "replicates": 20, "seed": 0, "resampled": "whole patients"}
    return Evaluation(
        task="zero-shot",
        model="",
        data="",
        split="test",
        studies=len(rows),
        images=len(rows),
        positives=dict.fromkeys("abc", 1),
        findings={},
        mean={},
        thresholds={},
        settings=settings,
        predictions=frame,
    )


def test_accuracy_of_classes_is_the_share_whose_greatest_score_is_the_one_that_is_there() -> None:
    # Right, wrong, right; the fourth has two classes and does not count: 2 / 3.
    found = accuracy_of_classes(
        classes(
            [
                ("p", [0.9, 0.1, 0.2], [1, 0, 0]),
                ("p", [0.9, 0.1, 0.2], [0, 0, 1]),
                ("q", [0.1, 0.2, 0.3], [0, 0, 1]),
                ("r", [0.1, 0.2, 0.3], [1, 0, 1]),
            ]
        )
    )
    assert found.value == pytest.approx(2 / 3)
    assert accuracy_of_classes(classes([("p", [0.1, 0.2, 0.3], [1, 0, 1])])).value is None
    assert ACCURACY_OF_CLASSES in PROTOCOLS["ecamp/covidx-linear@1%"].metrics


def test_lateral_radiographs_are_scored_only_where_the_request_says_so(
    cohort: Manifest, model: BrightnessModel
) -> None:
    lateral = [
        replace(one, radiographs=(replace(one.radiographs[0], view="LATERAL"),))
        if place % 2
        else one
        for place, one in enumerate(cohort.studies)
    ]
    manifest = cohort.with_studies(lateral)
    request = EvaluationRequest(split=None, threshold_split=None, replicates=20, every_view=True)
    every = evaluate(model, manifest, request)
    frontal = evaluate(model, manifest, replace(request, every_view=False))
    assert every.images == len(cohort.studies)
    assert frontal.images == -(-len(cohort.studies) // 2)
    assert (every.settings["views"], frontal.settings["views"][:7]) == (
        "all radiographs, lateral ones too",
        "frontal",
    )


def test_a_threshold_may_make_f1_greatest_and_no_other_word_is_known() -> None:
    assert EvaluationRequest(threshold_rate="f1").threshold_rate == "f1"
    with pytest.raises(ConfigError, match="threshold_rate is 'f2', expected one of mcc, f1"):
        EvaluationRequest(threshold_rate="f2")


def ended(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(str(end.value.code))


def test_the_command_lists_protocols_and_tells_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("protocols") == 0
    listed = capsys.readouterr().out
    assert "kad/padchest" in listed
    assert "39,053" in listed
    assert ended("protocols", "medklip/chestxray14") == 0
    told = capsys.readouterr().out
    assert "users: released MedKLIP, by users: AUC 0.7233" in told
    assert "radiographs in the paper: 25,596" in told


def test_what_a_protocol_settles_cannot_be_said_beside_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("evaluate", "model", "m.parquet", "--out", str(tmp_path / "out"))
    assert ended(*words, "--protocol", "kad/chestxray14", "--split", "validate") == 2
    assert "--split: a protocol settles this" in capsys.readouterr().err
    assert ended(*words, "--protocol", "ecamp/rsna-linear@1%", "--replicates", "9") == 2
    assert "--replicates and --seed are not for ecamp/rsna-linear@1%" in capsys.readouterr().err
    assert ended(*words, "--steps", "5") == 2
    assert "--steps is for --protocol ones that fine-tune" in capsys.readouterr().err


class Describing(BrightnessModel):
    """Looks descriptions up, and knows none of a nodule."""

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        for query in queries:
            if query.name == "nodule" and query.description is None:
                raise KnowledgeError("there is no description of 'nodule'.")
        return super().encode_queries(queries)


def test_what_has_no_description_is_asked_by_name_and_told(
    cohort: Manifest, tmp_path: Path
) -> None:
    manifest = named(cohort, "csv", tmp_path / "m.parquet")
    found = evaluate_by_protocol(Describing(), manifest, protocol(), QUICK)
    by_name = evaluate_by_protocol(BrightnessModel(), manifest, protocol(), QUICK)
    assert found.findings["nodule"] == by_name.findings["nodule"]
    told = found.settings[PROTOCOL]["deviations"]
    assert "Asked by name, for there is no description: nodule." in told


def test_a_table_of_ones_own_is_taken_for_a_part_of_a_release_on_trust(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    manifest = named(cohort, "csv", tmp_path / "m.parquet")
    found = evaluate_by_protocol(
        model, manifest, protocol(part=Part(datasets=("padchest",), images=9)), QUICK
    )
    told = found.settings[PROTOCOL]["deviations"]
    assert "is taken on trust" in told[0]
    assert told[1] == f"{found.images} radiographs scored, 9 in the paper."
    assert told[2].startswith("MCC: depends on how common a finding is")


def test_findings_of_no_and_of_few_radiographs_are_told(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    manifest = named(cohort, "csv", tmp_path / "m.parquet")
    queries = (Query("pleural effusion"), Query("nodule"), Query("hernia"))
    found = evaluate_by_protocol(model, manifest, protocol(task=Asked(queries=queries)), QUICK)
    few = replace(found, positives={"pleural effusion": 30, "nodule": 9, "hernia": 0})
    assert finding_deviations(few) == [
        "The mean is over 2 of 3 findings: no radiograph here shows hernia.",
        "Fewer than 10 radiographs show nodule.",
    ]
    assert finding_deviations(replace(found, positives={"nodule": 0})) == []
    assert shortened([str(number) for number in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


def test_a_small_share_of_a_small_cohort_says_how_many_studies_it_takes(tmp_path: Path) -> None:
    here = {"Nodule": Assertion.PRESENT}
    studies = [study(f"t{number}", "train") for number in range(120)]
    studies += [study(f"v{number}", "validate", **here) for number in range(40)]
    manifest = write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    task = FineTuned(task="classification", names=("nodule",), fraction=0.01, metrics=("auc",))
    # A quarter of the patients has it: three of them are to be expected among twelve, ten times
    # the 1.2 patients that are 1% of 120. Of 160 studies that makes 1,600.
    assert studies_needed(task, manifest, every_name=True) == 1_600
    rare = replace(task, names=("nodule", "mass"))
    with_mass = manifest.with_studies(
        [
            *studies[:-1],
            replace(studies[-1], findings=(Finding(name="Mass", value=Assertion.PRESENT),)),
        ]
    )
    assert studies_needed(rare, with_mass, every_name=True) == 64_000
    assert studies_needed(rare, with_mass, every_name=False) == 1_700  # 39 have a nodule


def test_a_share_without_examples_says_what_to_draw_or_to_take(tmp_path: Path) -> None:
    here = {"Nodule": Assertion.PRESENT}
    studies = [study(f"t{number}", "train") for number in range(120)]
    studies += [study(f"v{number}", "validate", **here) for number in range(40)]
    manifest = write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    copy = manifest.with_studies([replace(one, licence="synthetic") for one in studies])
    task = FineTuned(task="classification", names=("nodule",), fraction=0.01, metrics=("auc",))
    one = Protocol(name="kad/own@1%", section="", part=Part(datasets=("nih",)), task=task)
    for data, share, told in (
        (manifest, 0.01, r"kad/own@1% takes about 1,600 studies as mixed as these 160: index more"),
        (copy, 0.01, r"Draw more .*1,600: `carina phantom FOLDER --studies 1600 --layout nih`\.$"),
        (copy, 1.0, r"Draw more .* 160, for kad/own@1% about 400: "),  # as by ill luck
    ):
        with (
            pytest.raises(ExamplesError, match=rf"^No example\. {told}"),
            telling_how_many(one, replace(task, fraction=share), data),
        ):
            raise ExamplesError("No example.", "Name others with --finding.")
    with (
        pytest.raises(ManifestError, match=r"^A patient twice\.$"),
        telling_how_many(one, task, manifest),
    ):
        raise ManifestError("A patient twice.")


def test_names_that_the_data_never_list_are_left_out_of_training(tmp_path: Path) -> None:
    manifest = write_manifest(
        [study("a", "train", **{"Nodule": Assertion.PRESENT})], tmp_path / "m.parquet", tmp_path
    )
    assert listed_names("classification", manifest, ("nodule", "hernia")) == ("nodule",)
    assert listed_names("classification", manifest, ("hernia",)) == ("hernia",)
    assert listed_names("multiclass", manifest, ("nodule", "hernia")) == ("nodule", "hernia")
    assert list_deviations(("nodule", "hernia"), ("nodule",)) == [
        "The data list no hernia: left out of training too."
    ]
    assert list_deviations(("nodule",), ("nodule",)) == []


def test_a_part_is_told_as_file_and_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert parts_of(["a=b.parquet=covidx"]) == {"a=b.parquet": "covidx"}
    words = ("reproduce", "model", "--data", "m", "--out", "out", "--part")
    assert ended(*words, "nih.parquet=elsewhere") == 2
    assert "expected FILE=DATASET" in capsys.readouterr().err


def test_drawn_radiographs_are_told_first_and_in_the_sources(
    cohort: Manifest, model: BrightnessModel, tmp_path: Path
) -> None:
    real = evaluate_by_protocol(
        model, named(cohort, "csv", tmp_path / "a.parquet"), protocol(), QUICK
    )
    assert not real.settings[PROTOCOL]["synthetic"]
    assert real.settings["sources"] == ["made for a test"]
    assert title_of(real).startswith(f"zero-shot, test: {real.images} radiographs of")
    copy = cohort.with_studies([replace(one, licence=LICENCE) for one in cohort.studies])
    drawn = evaluate_by_protocol(
        model, named(copy, "csv", tmp_path / "b.parquet"), protocol(), QUICK
    )
    assert drawn.settings[PROTOCOL]["synthetic"]
    assert drawn.settings[PROTOCOL]["deviations"][0] == SYNTHETIC
    assert drawn.settings["sources"] == ["phantom as made for a test"]
    assert title_of(drawn).startswith(f"zero-shot, test: {real.images} synthetic radiographs of")
