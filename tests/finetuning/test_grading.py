from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from carina.encoders.resnet import ResNetConfig
from carina.errors import ConfigError, ManifestError, QueryError
from carina.finetuning.grader import Grader, GraderConfig, Grades, Scale
from carina.finetuning.grading import (
    check_differing,
    check_known,
    first_outputs,
    graded_images,
    grades_in,
    grades_of,
    scale_of,
    severity_loss,
)
from carina.finetuning.labels import LabelledImages
from carina.imaging.building import build_store
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Severity, Study
from carina.zeroshot.protocol import Query, ZeroShotModel

IMAGE = ResNetConfig(depths=(1,), widths=(4,), stem_width=4, channels=1, dim=6)
GREY = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))


def grader(scale: Grades | Scale) -> Grader:
    torch.manual_seed(0)
    config = GraderConfig(image=IMAGE, preprocessing=GREY, names=("edema", "extent"), scale=scale)
    model = Grader(config).eval()
    torch.nn.init.normal_(model.head.weight)
    return model


@pytest.mark.parametrize("scale", [Grades(highest=3), Scale(mean=5.0, deviation=2.0, highest=18.0)])
def test_a_score_is_a_share_of_the_highest(scale: Grades | Scale) -> None:
    model = grader(scale)
    assert isinstance(model, ZeroShotModel)
    pictures = torch.randn(3, 1, 32, 32)
    answers = model.answer(pictures, model.encode_queries([Query("Extent")]))
    expected = (model.expected(pictures)[:, 1:] / scale.highest).clamp(0, 1).detach()
    torch.testing.assert_close(answers.scores, expected)
    assert answers.grids is None
    with pytest.raises(QueryError, match=r"trained on edema, extent.*asked about mass"):
        model.encode_queries([Query("mass")])


def test_an_expected_grade_adds_up_the_steps() -> None:
    logits = torch.logit(torch.tensor([[[0.9, 0.5, 0.1]]]))
    assert float(Grades(highest=3).expected(logits)) == pytest.approx(1.5)


def test_scores_are_learnt_in_units_of_their_deviation() -> None:
    scale = Scale(mean=5.0, deviation=2.0, highest=18.0)
    total, count = severity_loss(scale, torch.zeros(1, 1, 1), torch.tensor([[11.0]]))
    assert (float(total), float(count)) == (2.5, 1.0)  # three deviations away


def test_readers_are_averaged_and_images_without_a_score_left_out(tmp_path: Path) -> None:
    given = [
        (("Edema_Grade", 1.0, "a"), ("Edema_Grade", 2.0, "b")),
        (),
        (("Edema_Grade", 3.0, None),),
    ]
    studies = []
    for number, scores in enumerate(given):
        Image.fromarray(np.full((20, 20), 50, np.uint8)).save(tmp_path / f"{number}.png")
        studies.append(
            Study(
                study_id=f"s{number}",
                patient_id=f"p{number}",
                source="test",
                radiographs=(Radiograph(path=f"{number}.png", view="PA"),),
                severity=tuple(Severity(name=n, value=v, reader=r) for n, v, r in scores),
            )
        )
    write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    items = [(f"{number}.png", tmp_path / f"{number}.png") for number in range(3)]
    build_store(items, tmp_path / "store", 16, processes=1)
    manifest, store = Manifest.read(tmp_path / "m.parquet"), ImageStore.open(tmp_path / "store")
    images = graded_images(manifest, ["edema grade"], store)
    assert images.keys == ("0.png", "2.png")
    np.testing.assert_array_equal(images.labels, [[1.5], [3.0]])
    with pytest.raises(ManifestError, match=r"severity brixia.*lists: edema grade"):
        graded_images(manifest, ["brixia"], store)


@pytest.mark.parametrize("values", [[0.0, 1.5], [-1.0, 2.0], [0.0, 0.0]])
def test_what_is_no_grade_is_refused(values: list[float]) -> None:
    with pytest.raises(ManifestError, match="whole numbers from 0"):
        grades_of(np.array(values)[:, None], "m.parquet")


def test_scores_that_do_not_differ_are_refused() -> None:
    with pytest.raises(ManifestError, match="every score is 4"):
        scale_of(np.full((3, 1), 4.0), "m.parquet")
    assert grades_of(np.array([[0.0], [np.nan], [3.0]]), "m").highest == 3
    assert scale_of(np.array([[2.0], [6.0], [np.nan]]), "m") == Scale(
        mean=4.0, deviation=2.0, highest=6.0
    )


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="highest"):
        Grades(highest=0)
    with pytest.raises(ConfigError, match="deviation"):
        Scale(deviation=0.0)
    with pytest.raises(ConfigError, match="names must be different"):
        GraderConfig(image=IMAGE, preprocessing=GREY, names=(), scale=Grades())


def test_a_grade_is_as_probable_as_the_step_to_it_less_the_next() -> None:
    logits = torch.logit(torch.tensor([[[0.9, 0.5, 0.6]]]))  # the last step cannot exceed 0.5
    shares = Grades(highest=3).shares(logits)[0, 0]
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.4, 0.0, 0.5]))


def test_a_grade_can_be_asked_by_itself() -> None:
    model = grader(Grades(highest=2))
    pictures = torch.randn(3, 1, 32, 32)
    names = [f"extent grade {grade}" for grade in range(3)]
    answers = model.answer(pictures, model.encode_queries([Query(name) for name in names]))
    torch.testing.assert_close(answers.scores.sum(1), torch.ones(3))
    with torch.no_grad():
        least = model(pictures)[:, 1, 0].sigmoid()
    torch.testing.assert_close(answers.scores[:, 0], 1 - least)


def test_a_grader_begins_at_the_shares_of_the_labels() -> None:
    labels = np.array([[0.0, np.nan], [0.0, 1.0], [1.0, np.nan], [3.0, np.nan]])
    # (2 + 0.5) / 5 = 0.5, then (1 + 0.5) / 5 = 0.3 twice; of the one known: 1.5 / 2, 0.5 / 2.
    expected = [[0.0, -0.847298, -0.847298], [1.098612, -1.098612, -1.098612]]
    torch.testing.assert_close(
        first_outputs(Grades(highest=3), labels), torch.tensor(expected), atol=1e-5, rtol=0
    )


def test_a_score_begins_at_the_mean() -> None:
    scale = Scale(mean=5.0, deviation=2.0, highest=18.0)
    outputs = first_outputs(scale, np.array([[4.0], [6.0]]))
    assert scale.expected(outputs[None]).tolist() == [[5.0]]


def test_scores_of_several_names_begin_at_the_mean_of_each() -> None:
    labels = np.array([[2.0, 10.0], [4.0, np.nan], [np.nan, 14.0]])
    scale = scale_of(labels, "m")
    outputs = first_outputs(scale, labels)
    torch.testing.assert_close(scale.expected(outputs[None]), torch.tensor([[3.0, 12.0]]))


def of_values(rows: list[list[float]]) -> LabelledImages:
    names = tuple(f"s{row}" for row in range(len(rows)))
    return LabelledImages(keys=names, studies=names, patients=names, labels=np.array(rows))


def test_a_severity_that_is_the_same_on_all_images_is_refused_by_name() -> None:
    nan = float("nan")
    images = of_values([[1.0, 2.0], [3.0, 2.0], [nan, nan]])
    with pytest.raises(ManifestError, match=r"do not differ in extent \(always 2\)"):
        check_differing(images, ["edema grade", "extent"], "here")
    check_differing(of_values([[1.0], [2.0]]), ["extent"], "here")
    with pytest.raises(ManifestError, match="none of 1 images has a value of extent"):
        check_known(of_values([[1.0, nan]]), ["edema grade", "extent"], "here")
    check_known(images, ["edema grade", "extent"], "here")


def test_grades_are_those_of_the_whole_manifest(tmp_path: Path) -> None:
    studies = [
        Study(
            study_id=f"s{number}",
            patient_id=f"p{number}",
            source="test",
            radiographs=(),
            severity=(Severity(name="edema", value=value),),
        )
        for number, value in enumerate([0.0, 1.0, 3.0])
    ]
    assert grades_in(Manifest(tmp_path, tmp_path, studies=tuple(studies)), ["edema"]).highest == 3
