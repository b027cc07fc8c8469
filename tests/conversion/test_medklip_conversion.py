from pathlib import Path

import pytest
import torch
from torch import Tensor

from carina.conversion.medklip import convert_medklip
from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Bottleneck, ResNetConfig
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConversionError
from carina.pretraining.medklip import MedKLIPConfig, MedKLIPModel, TrainedFinding
from carina.zeroshot.protocol import Query

TEXT = TextEncoderConfig(
    vocabulary=60, width=12, layers=1, heads=2, hidden=16, positions=24, max_tokens=20, dim=8
)
FINDINGS = (TrainedFinding(name="effusion", text="a veil over the base"),)
CONFIG = MedKLIPConfig(
    image=ResNetConfig(
        block=Bottleneck(), depths=(1, 1, 1), widths=(4, 6, 8), stem_width=4, dim=16
    ),
    text=TEXT,
    decoder=QueryDecoderConfig(dim=16, layers=2, hidden=24),
    findings=FINDINGS,
)
OFFICIAL = (  # our beginning of a name -> the published one
    ("image_encoder.conv1.", "res_features.0."),
    ("image_encoder.bn1.", "res_features.1."),
    ("image_encoder.layer1.", "res_features.4."),
    ("image_encoder.layer2.", "res_features.5."),
    ("image_encoder.layer3.", "res_features.6."),
    ("image_encoder.hidden.", "res_l1."),
    ("image_encoder.project.", "res_l2."),
    ("embed_query.", "disease_embedding_layer."),
    ("existence.", "classifier."),
    ("position.", "cl_fc."),
    ("decoder.", "decoder."),
)


def encoder_of() -> TextEncoder:
    torch.manual_seed(1)
    return TextEncoder(TEXT, train_wordpiece(["a veil over the base"], 60))


def model_of() -> MedKLIPModel:
    torch.manual_seed(0)
    return MedKLIPModel(CONFIG, encoder_of()).eval()


def published(model: MedKLIPModel) -> dict[str, Tensor]:
    """The weights under their published names, with the prefix of several GPUs."""
    state = {}
    for key, value in model.state_dict().items():
        for ours, official in OFFICIAL:
            if key.startswith(ours):
                state[f"module.{official}{key.removeprefix(ours)}"] = value
    return state


def test_a_published_checkpoint_gives_the_answers_of_its_weights(tmp_path: Path) -> None:
    model = model_of()
    path = tmp_path / "checkpoint_final.pth"
    torch.save({"model": published(model), "epoch": 99}, path)
    converted = convert_medklip(path, encoder_of(), FINDINGS)
    assert converted.config == CONFIG
    films = torch.randn(2, 3, 224, 224)
    asked = [Query("wobble", "a veil")]
    expected = model.answer(films, model.encode_queries(asked))
    answers = converted.answer(films, converted.encode_queries(asked))
    torch.testing.assert_close(answers.scores, expected.scores)
    trained = converted.encode_queries([Query("Effusion")]).features["text"]
    read = converted.text_encoder.encode(["a veil over the base"], reading=CONFIG.reading)
    torch.testing.assert_close(trained, read)


def test_a_key_that_is_in_no_table_or_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    state = published(model_of())
    torch.save({"model": {**state, "module.queue": torch.zeros(1)}}, path)
    with pytest.raises(ConversionError, match="1 keys are in no table, such as queue"):
        convert_medklip(path, encoder_of(), FINDINGS)
    torch.save({"model": {k: v for k, v in state.items() if "cl_fc" not in k}}, path)
    with pytest.raises(ConversionError, match=r"position\."):
        convert_medklip(path, encoder_of(), FINDINGS)
    torch.save({"weights": state}, path)
    with pytest.raises(ConversionError, match="has no weights 'model'; found weights"):
        convert_medklip(path, encoder_of(), FINDINGS)
