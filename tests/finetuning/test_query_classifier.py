from pathlib import Path

import pytest
import torch
from torch import nn

import carina
from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError, QueryError
from carina.finetuning.query_classifier import (
    HasQueryNetwork,
    QueryClassifier,
    QueryClassifierConfig,
)
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.pretraining.medklip import MedKLIPConfig, MedKLIPModel, TrainedFinding
from carina.zeroshot.protocol import Query

NAMES = ("edema", "nodule", "pneumothorax")


def medklip() -> MedKLIPModel:
    torch.manual_seed(0)
    findings = tuple(TrainedFinding(name=name, text=f"what {name} is like") for name in NAMES)
    config = MedKLIPConfig(
        image=ResNetConfig(
            block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16
        ),
        text=TextEncoderConfig(
            vocabulary=90, width=12, layers=1, heads=2, hidden=24, positions=24, max_tokens=20
        ),
        decoder=QueryDecoderConfig(
            dim=16, layers=2, heads=2, hidden=24, dropout=0.3, initial_deviation=0.3
        ),
        preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
        findings=findings,
    )
    words = [finding.text for finding in findings]
    model = MedKLIPModel.from_config(config, train_wordpiece(words, 90))
    with torch.no_grad():
        encoded = model.text_encoder.encode(words, reading=config.reading)
        model.get_buffer("finding_features").copy_(encoded)
        model.existence.bias.copy_(torch.tensor([0.2, -0.1]))
    return model.eval()


def classifier_from(model: HasQueryNetwork, names: tuple[str, ...]) -> QueryClassifier:
    """With every weight of the pre-trained model."""
    encoder: nn.Module = model.image_encoder
    made = QueryClassifier(
        QueryClassifierConfig(
            image=encoder.config,
            preprocessing=model.preprocessing,
            findings=names,
            decoder=model.decoder.config,
            norms_inputs=model.decoder.norms_inputs,
        )
    )
    made.image_encoder.load_state_dict(encoder.state_dict())
    made.take_network(model)
    return made.eval()


def kad(run: Path) -> HasQueryNetwork:
    return carina.load(run).model


@pytest.mark.parametrize("system", ["kad", "medklip"])
def test_before_any_training_it_answers_as_the_pre_trained_model(
    tiny_run: Path, system: str
) -> None:
    model = kad(tiny_run) if system == "kad" else medklip()
    assert isinstance(model, HasQueryNetwork)
    made = classifier_from(model, NAMES)
    side = model.preprocessing.size
    pictures = torch.randn(3, model.preprocessing.channels, side, side)
    queries = [Query(name) for name in NAMES]
    expected = model.answer(pictures, model.encode_queries(queries))
    found = made.answer(pictures, made.encode_queries(queries))
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(made(pictures).sigmoid(), expected.scores, atol=1e-5, rtol=1e-5)
    backwards = made.answer(pictures, made.encode_queries(queries[::-1]))
    torch.testing.assert_close(backwards.scores, found.scores.flip(1))


def test_maps_are_those_of_the_pre_trained_model() -> None:
    model = medklip()  # KAD's code shows the last layer alone, MedKLIP's the mean of all
    made = classifier_from(model, NAMES)
    pictures = torch.randn(2, 1, 32, 32)
    queries = [Query(name) for name in NAMES]
    expected = model.answer(pictures, model.encode_queries(queries)).grids
    torch.testing.assert_close(made.answer(pictures, made.encode_queries(queries)).grids, expected)


def test_what_it_was_not_trained_on_cannot_be_asked() -> None:
    made = classifier_from(medklip(), NAMES)
    with pytest.raises(QueryError, match="trained on edema, nodule, pneumothorax"):
        made.encode_queries([Query("fracture")])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"findings": ()}, "findings must be different names"),
        ({"findings": ("edema", "edema")}, "findings must be different names"),
        ({"decoder": QueryDecoderConfig(dim=8, heads=2)}, "must be equal, got 16 and 8"),
    ],
)
def test_configs_that_cannot_work_are_refused(changed: dict[str, object], message: str) -> None:
    model = medklip()
    good = {
        "image": model.config.image,
        "preprocessing": model.preprocessing,
        "findings": NAMES,
        "decoder": model.config.decoder,
    }
    with pytest.raises(ConfigError, match=message):
        QueryClassifierConfig(**{**good, **changed})
