import pytest

from carina.encoders.resnet import ResNetConfig
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError
from carina.finetuning.classifier import Classifier, ClassifierConfig
from carina.finetuning.yolo import YOLODetector, YOLODetectorConfig
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.training.optimiser import (
    AdamW,
    EqualRates,
    LayerwiseDecay,
    depth_of,
    layer_of,
)


def classifier(image: ResNetConfig | ViTConfig) -> Classifier:
    preprocessing = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))
    return Classifier(
        ClassifierConfig(image=image, preprocessing=preprocessing, findings=("edema",))
    )


RESNET = ResNetConfig(depths=(1, 1), widths=(4, 8), stem_width=4, channels=1, dim=6)
VIT = ViTConfig(size=32, patch=8, dim=8, layers=3, heads=2, hidden=16, channels=1)


@pytest.mark.parametrize(
    ("image", "layers"),
    [
        (
            RESNET,
            {
                "image_encoder.conv1.weight": 0,
                "image_encoder.bn1.bias": 0,
                "image_encoder.layer1.0.conv1.weight": 1,
                "image_encoder.layer2.0.bn1.weight": 2,
                "image_encoder.project.weight": 3,
                "head.weight": 3,
            },
        ),
        (
            VIT,
            {
                "image_encoder.patch_embed.proj.weight": 0,
                "image_encoder.cls_token": 0,
                "image_encoder.pos_embed": 0,
                "image_encoder.blocks.0.attn.qkv.weight": 1,
                "image_encoder.blocks.2.mlp.fc1.bias": 3,
                "image_encoder.norm.weight": 4,
                "head.bias": 4,
            },
        ),
    ],
)
def test_layers_are_counted_from_the_picture(
    image: ResNetConfig | ViTConfig, layers: dict[str, int]
) -> None:
    model = classifier(image)
    names = {name for name, _ in model.named_parameters()}
    depth = depth_of(model)
    assert set(layers) <= names
    assert {name: layer_of(name, depth) for name in layers} == layers


def test_a_head_with_layers_of_its_own_learns_at_the_full_rate() -> None:
    """ECAMP's detection head has bottlenecks, whose first convolutions are called conv1."""
    preprocessing = Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,))
    model = YOLODetector(
        YOLODetectorConfig(image=VIT, preprocessing=preprocessing, findings=("mass",), width=8)
    )
    depth = depth_of(model)
    assert depth == 3
    names = [name for name, _ in model.named_parameters() if not name.startswith("image_encoder")]
    assert "maps.mix_fine.conv1.weight" in names
    assert {layer_of(name, depth) for name in names} == {4}


def test_rates_fall_by_the_factor_from_the_head_to_the_picture() -> None:
    model = classifier(RESNET)
    optimiser = AdamW(rate=1e-3, weight_decay=0.1, layers=LayerwiseDecay(factor=0.5)).build(model)
    shares = {}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            shares[id(parameter)] = (group["rate_share"], group["weight_decay"])
    parameters = dict(model.named_parameters())
    assert shares[id(parameters["head.weight"])] == (1.0, 0.1)
    assert shares[id(parameters["head.bias"])] == (1.0, 0.0)
    assert shares[id(parameters["image_encoder.layer2.0.conv1.weight"])] == (0.5, 0.1)
    assert shares[id(parameters["image_encoder.layer1.0.bn1.bias"])] == (0.25, 0.0)
    assert shares[id(parameters["image_encoder.conv1.weight"])] == (0.125, 0.1)
    assert len(shares) == len(parameters)


def test_equal_rates_make_two_groups() -> None:
    model = classifier(VIT)
    groups = AdamW(layers=EqualRates()).build(model).param_groups
    assert [group["rate_share"] for group in groups] == [1.0, 1.0]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.parametrize("factor", [0.0, 1.1])
def test_a_factor_that_cannot_work_is_refused(factor: float) -> None:
    with pytest.raises(ConfigError, match="factor must be in"):
        LayerwiseDecay(factor=factor)
