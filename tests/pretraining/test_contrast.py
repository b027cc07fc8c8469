"""Contrast alone as a model: prompts, one space for images and texts, phrases on the picture."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.models.codec import from_json, to_json
from carina.pretraining.contrast import ContrastConfig, ContrastModel
from carina.zeroshot.prompts import PROMPT_SETS, PromptedModel, choose_prompts
from carina.zeroshot.protocol import ImageTextModel, PhraseGrounder, Query, ZeroShotModel

TEXTS = ("small left effusion.", "there is no mass.", "findings suggesting edema")
CONFIG = ContrastConfig(
    image=ResNetConfig(
        block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16
    ),
    text=TextEncoderConfig(
        vocabulary=80, width=16, layers=1, heads=2, hidden=24, positions=32, max_tokens=32, dim=16
    ),
    preprocessing=Preprocessing(size=64, resize=Squash(), mean=(0.5,), std=(0.25,)),
)


@pytest.fixture
def model() -> ContrastModel:
    torch.manual_seed(0)
    return ContrastModel.from_config(CONFIG, train_wordpiece(TEXTS, 80)).eval()


def radiographs() -> torch.Tensor:
    return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))


def test_it_fulfils_what_tasks_ask_for(model: ContrastModel) -> None:
    for protocol in (ZeroShotModel, PromptedModel, ImageTextModel, PhraseGrounder):
        assert isinstance(model, protocol)


def test_it_asks_by_the_prompts_of_its_config_until_others_are_chosen() -> None:
    config = replace(CONFIG, prompts=PROMPT_SETS["there-is"])
    model = ContrastModel.from_config(config, train_wordpiece(TEXTS, 80)).eval()
    features = model.encode_queries([Query("mass")]).features
    torch.testing.assert_close(features["present"], model.embed_reports(["There is mass."]))
    torch.testing.assert_close(features["absent"], model.embed_reports(["There is no mass."]))
    choose_prompts(model, "biovil")
    features = model.encode_queries([Query("mass")]).features
    torch.testing.assert_close(
        features["present"], model.embed_reports(["Findings suggesting mass"])
    )


@pytest.mark.parametrize("name", sorted(PROMPT_SETS))
def test_a_config_keeps_its_prompts_in_a_model_folder(name: str) -> None:
    config = replace(CONFIG, prompts=PROMPT_SETS[name])
    assert from_json(ContrastConfig, to_json(config)) == config


def test_images_and_texts_are_unit_vectors_of_one_space(model: ContrastModel) -> None:
    images, texts = model.embed_radiographs(radiographs()), model.embed_reports(TEXTS)
    torch.testing.assert_close(images.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(3))
    pooled = model.image_encoder(radiographs()).pooled
    expected = F.cosine_similarity(pooled[:, None], model.text_encoder.encode(TEXTS)[None], dim=-1)
    torch.testing.assert_close(images @ texts.T, expected, atol=1e-5, rtol=0)


def test_a_map_is_the_cosine_of_each_place_with_the_phrase(model: ContrastModel) -> None:
    maps = model.ground(radiographs(), model.encode_phrases(TEXTS[:2]))
    grid = model.image_encoder(radiographs()).grid
    texts = model.text_encoder.encode(TEXTS[:2])
    assert maps.shape == (3, 2, *grid.shape[1:3])
    expected = F.cosine_similarity(grid[:, None], texts[None, :, None, None], dim=-1)
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=0)
