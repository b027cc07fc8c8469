import numpy as np
import pytest
import torch

from carina.encoders.resnet import ResNetConfig
from carina.errors import ConfigError, ManifestError, QueryError
from carina.finetuning.classification import (
    EXCLUSIVE,
    INDEPENDENT,
    ClassificationSettings,
    through_queries,
)
from carina.finetuning.labels import LabelledImages
from carina.finetuning.multiclass import (
    MultiClassClassifier,
    MultiClassConfig,
    class_weights,
    of_one_class,
)
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.zeroshot.protocol import Query, ZeroShotModel

IMAGE = ResNetConfig(depths=(1,), widths=(4,), stem_width=4, channels=1, dim=6)
GREY = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))
CLASSES = ("covid-19", "normal", "pneumonia")


def images(labels: list[list[float]]) -> LabelledImages:
    names = tuple(f"s{row}" for row in range(len(labels)))
    return LabelledImages(
        keys=names, studies=names, patients=names, labels=np.array(labels, dtype=np.float64)
    )


def test_probabilities_of_all_classes_add_up_to_one() -> None:
    torch.manual_seed(0)
    model = MultiClassClassifier(
        MultiClassConfig(image=IMAGE, preprocessing=GREY, classes=CLASSES)
    ).eval()
    assert isinstance(model, ZeroShotModel)
    torch.nn.init.normal_(model.head.weight)
    pictures = torch.randn(4, 1, 32, 32)
    answers = model.answer(pictures, model.encode_queries([Query(name) for name in CLASSES]))
    torch.testing.assert_close(answers.scores.sum(1), torch.ones(4))
    with torch.no_grad():
        torch.testing.assert_close(answers.scores, model(pictures).softmax(1))
    one = model.answer(pictures, model.encode_queries([Query("Pneumonia")]))
    torch.testing.assert_close(one.scores[:, 0], answers.scores[:, 2])
    assert answers.grids is not None
    torch.testing.assert_close(answers.grids.mean((2, 3)).softmax(1), answers.scores)
    with pytest.raises(QueryError, match="trained on covid-19, normal, pneumonia"):
        model.encode_queries([Query("edema")])


def test_an_image_without_a_class_is_left_out_and_unknown_others_are_absent() -> None:
    nan = float("nan")
    kept = of_one_class(images([[1, nan, 0], [0, 0, 0], [nan, nan, 1]]), CLASSES, "here")
    assert kept.keys == ("s0", "s2")
    np.testing.assert_array_equal(kept.labels, [[1, 0, 0], [0, 0, 1]])


def test_two_labels_of_one_study_are_refused() -> None:
    with pytest.raises(ManifestError, match=r"1 studies have two labels.*'s1'.*normal and pneum"):
        of_one_class(images([[1, 0, 0], [0, 1, 1]]), CLASSES, "here")


def test_no_class_at_all_is_refused() -> None:
    with pytest.raises(ManifestError, match="no image has one of the classes"):
        of_one_class(images([[0, 0, 0]]), CLASSES, "here")


def test_one_class_is_no_choice() -> None:
    with pytest.raises(ConfigError, match="two or more different names"):
        MultiClassConfig(image=IMAGE, preprocessing=GREY, classes=("normal",))


def test_a_rare_class_weighs_more() -> None:
    labels = np.eye(3)[[0, 0, 0, 0, 1, 1]]  # 4, 2 and 0 of a mean of 2
    np.testing.assert_allclose(class_weights(labels, 1.0).numpy(), [0.5, 1.0, 1.0])
    np.testing.assert_allclose(class_weights(labels, 0.5).numpy(), [0.5**0.5, 1.0, 1.0])
    np.testing.assert_allclose(class_weights(labels, 0.0).numpy(), [1.0, 1.0, 1.0])


def test_the_weighted_loss_is_that_of_torch() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    true, weights = torch.tensor([0, 2, 1, 1, 0]), torch.tensor([0.5, 1.0, 2.0])
    total, count = EXCLUSIVE.loss(logits, torch.eye(3)[true], weights)
    expected = torch.nn.functional.cross_entropy(logits, true, weight=weights)
    torch.testing.assert_close(total / count, expected)


def test_a_present_label_weighs_as_the_absent_ones_outnumber_it() -> None:
    labels = np.array([[1.0, 0], [0, 0], [0, 1], [0, 1], [np.nan, 1]])
    np.testing.assert_allclose(INDEPENDENT.weights(labels, 1.0).numpy(), [3.0, 2 / 3])
    logits = torch.zeros(5, 2)
    total, count = INDEPENDENT.loss(
        logits, torch.from_numpy(labels).float(), torch.tensor([3.0, 1.0])
    )
    # log 2 for each of 9 known labels, and twice more for the one present label of the first.
    assert float(total) == pytest.approx(11 * np.log(2), rel=1e-6)
    assert float(count) == 9


@pytest.mark.parametrize("power", [-1.0, float("inf"), float("nan")])
def test_a_power_that_weighs_nothing_is_refused(power: float) -> None:
    with pytest.raises(ConfigError, match=r"\(--class-weights\) must be a number >= 0"):
        ClassificationSettings(class_weight_power=power)


def test_a_query_network_learns_at_a_tenth_of_the_rate_of_a_fresh_head() -> None:
    fresh = ClassificationSettings().training.optimiser
    assert through_queries().training.optimiser.rate == pytest.approx(fresh.rate / 10)


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="the classes are covid-19; expected two or more"):
        of_one_class(images([[1.0]]), ["covid-19"], "here")
