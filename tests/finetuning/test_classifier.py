import pytest
import torch

from carina.encoders.resnet import ResNetConfig
from carina.errors import ConfigError, QueryError
from carina.finetuning.classifier import Classifier, ClassifierConfig
from carina.finetuning.grader import Grader, GraderConfig, Grades
from carina.finetuning.linear_on_grid import Standardise
from carina.finetuning.multiclass import MultiClassClassifier, MultiClassConfig
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.zeroshot.protocol import Query, ZeroShotModel

CONFIG = ClassifierConfig(
    image=ResNetConfig(depths=(1, 1), widths=(4, 8), stem_width=4, channels=1, dim=6),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
    findings=("edema", "pleural effusion", "nodule"),
)


@pytest.fixture
def model() -> Classifier:
    torch.manual_seed(0)
    model = Classifier(CONFIG)
    torch.nn.init.normal_(model.head.weight)
    model.scale.fit(torch.randn(20, 6) * 3 + 1)
    return model.eval()


def test_a_classifier_can_be_asked_like_any_model(model: Classifier) -> None:
    assert isinstance(model, ZeroShotModel)
    pictures = torch.randn(2, 1, 32, 32)
    queries = model.encode_queries([Query("Nodule"), Query("effusion")])
    answers = model.answer(pictures, queries)
    torch.testing.assert_close(answers.scores, model(pictures).sigmoid()[:, [2, 1]].detach())


def test_a_map_is_the_share_of_each_place_in_the_score(model: Classifier) -> None:
    pictures = torch.randn(2, 1, 32, 32)
    answers = model.answer(pictures, model.encode_queries([Query("edema")]))
    assert answers.grids is not None
    torch.testing.assert_close(answers.grids.mean((2, 3)).sigmoid(), answers.scores)


def test_a_finding_without_an_output_is_refused(model: Classifier) -> None:
    with pytest.raises(QueryError, match=r"trained on edema.*asked about fracture"):
        model.encode_queries([Query("fracture"), Query("edema")])


def test_a_fresh_head_says_nothing() -> None:
    fresh = Classifier(CONFIG)(torch.randn(3, 1, 32, 32))
    assert float(fresh.detach().abs().max()) < 1e-2


def test_features_are_standardised_and_those_that_never_change_are_left_alone() -> None:
    features = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    scale = Standardise(2)
    scale.fit(features)
    assert scale(features).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_outputs_must_differ() -> None:
    for findings in ((), ("edema", "edema")):
        with pytest.raises(ConfigError, match="findings must be different"):
            ClassifierConfig(
                image=CONFIG.image, preprocessing=CONFIG.preprocessing, findings=findings
            )


@pytest.mark.parametrize(
    "model",
    [
        Classifier(CONFIG),
        MultiClassClassifier(
            MultiClassConfig(
                image=CONFIG.image, preprocessing=CONFIG.preprocessing, classes=("covid", "normal")
            )
        ),
        Grader(
            GraderConfig(
                image=CONFIG.image,
                preprocessing=CONFIG.preprocessing,
                names=("edema",),
                scale=Grades(),
            )
        ),
    ],
)
def test_models_over_a_grid_keep_their_weights_under_the_names_of_saved_folders(
    model: Classifier | MultiClassClassifier | Grader,
) -> None:
    own = {name for name in model.state_dict() if not name.startswith("image_encoder.")}
    assert own == {"scale.mean", "scale.deviation", "head.weight", "head.bias"}
    assert any(name.startswith("image_encoder.layer1.") for name in model.state_dict())
