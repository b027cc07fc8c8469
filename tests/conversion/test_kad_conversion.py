from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from carina.conversion.kad import convert_kad, convert_kad_text, image_part, kad_from_parts
from carina.conversion.table import Rule, part, read_checkpoint, translate
from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Bottleneck, ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.encoders.vit import ViTConfig
from carina.errors import ConversionError
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.pretraining.kad import KADConfig, KADModel

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
RESNET = ResNetConfig(block=Bottleneck(), depths=(1, 2, 1), widths=(4, 6, 8), stem_width=4, dim=64)
VIT = ViTConfig(size=32, patch=16, dim=64, layers=2, heads=1, hidden=32, final_norm=False)
TEXT = TextEncoderConfig(
    vocabulary=60, width=64, layers=2, heads=1, hidden=32, positions=256, dim=64
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece(["pleural effusion"], 60)


def model_of(image: ResNetConfig | ViTConfig, tokenizer: Tokenizer, size: int) -> KADModel:
    config = KADConfig(
        image=image,
        text=TEXT,
        decoder=QueryDecoderConfig(dim=64, layers=2, heads=4, hidden=48),
        preprocessing=Preprocessing(size=size, resize=Squash(), **IMAGENET),
    )
    return KADModel.from_config(config, tokenizer).eval()


def official(model: KADModel) -> dict[str, dict[str, Tensor]]:
    """The state dicts under the official names, written by hand from the published modules."""
    names = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    image: dict[str, Tensor] = {}
    for key, value in model.image_encoder.state_dict().items():
        first, rest = key.split(".", 1)
        if first in names:
            image[f"res_features.{names[first]}.{rest}"] = value
            image[f"resnet.{key}"] = value.clone()
        else:
            image[f"{ {'hidden': 'res_l1', 'project': 'res_l2'}[first] }.{rest}"] = value
    image["resnet.fc.weight"] = torch.zeros(10, 32)
    text = {
        key.replace("bert.", "bert_model.", 1).replace("project.", "mlp_embed.", 1): value
        for key, value in model.text_encoder.state_dict().items()
    }
    text["bert_model.embeddings.position_ids"] = torch.arange(256).unsqueeze(0)
    text["logit_scale"] = torch.zeros(())
    decoder = {
        f"decoder.{key}": value
        for key, value in model.decoder.state_dict().items()
        if key.startswith("layers")
    }
    for name in ("weight", "bias"):
        value = getattr(model.decoder.norm, name).detach()
        decoder |= {f"decoder_norm.{name}": value, f"decoder.norm.{name}": value.clone()}
        decoder[f"mlp_head.0.{name}"] = getattr(model.head, name).detach()
    return {"image_encoder": image, "text_encoder": text, "model": decoder}


@pytest.fixture
def checkpoint(tokenizer: Tokenizer, tmp_path: Path) -> tuple[Path, KADModel]:
    torch.manual_seed(1)
    model = model_of(RESNET, tokenizer, 224)
    path = tmp_path / "best_valid.pt"
    torch.save({**official(model), "epoch": 3, "config": {"lr": 1e-4}}, path)
    return path, model


def test_a_published_checkpoint_becomes_the_same_model(
    checkpoint: tuple[Path, KADModel], tokenizer: Tokenizer
) -> None:
    path, model = checkpoint
    converted = convert_kad(path, tokenizer)
    assert converted.config.image == RESNET
    assert converted.preprocessing == model.preprocessing
    assert not converted.training
    for name, value in model.state_dict().items():
        assert torch.equal(converted.state_dict()[name], value), name


def test_the_text_encoder_comes_alone_too(
    checkpoint: tuple[Path, KADModel], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    path, model = checkpoint
    stage_one = tmp_path / "epoch_latest.pt"
    text = {f"module.{key}": value for key, value in official(model)["text_encoder"].items()}
    torch.save({"state_dict": text, "epoch": 1}, stage_one)
    expected = model.text_encoder.encode(["pleural effusion"])
    for file in (path, stage_one):
        encoder = convert_kad_text(file, tokenizer)
        torch.testing.assert_close(encoder.encode(["pleural effusion"]), expected)


def test_a_vit_gets_its_three_projections_joined() -> None:
    encoder = VIT.build().eval()
    state: dict[str, Tensor] = {}
    for key, value in encoder.state_dict().items():
        name = key.replace("cls_token", "class_token").replace(
            "patch_embed.proj", "patch_embedding"
        )
        name = name.replace("pos_embed", "positional_embedding.pos_embedding")
        name = name.replace("mlp.", "pwff.").replace("blocks.", "transformer.blocks.")
        if ".attn.qkv." in name:
            for letter, third in zip("qkv", value.chunk(3), strict=True):
                state["vit." + name.replace("attn.qkv", f"attn.proj_{letter}")] = third
        else:
            state["vit." + name.replace(".attn.proj.", ".proj.")] = value
    state |= {key.removeprefix("vit."): value for key, value in state.items()}
    state["vit.fc.weight"] = torch.zeros(2, 64)
    config, ours = image_part(state, "here")
    assert config == VIT
    assert all(torch.equal(ours[key], value) for key, value in encoder.state_dict().items())


def test_a_key_that_no_table_knows_is_named(tokenizer: Tokenizer) -> None:
    parts = official(model_of(RESNET, tokenizer, 224))
    parts["model"]["decoder.extra"] = torch.zeros(1)
    parts["model"]["surprise"] = torch.zeros(1)
    with pytest.raises(ConversionError, match="1 keys are in no table, such as surprise"):
        kad_from_parts(
            parts["image_encoder"],
            parts["text_encoder"],
            {k: v for k, v in parts["model"].items() if k != "decoder.extra"},
            tokenizer,
        )


def test_a_missing_weight_is_named(tokenizer: Tokenizer) -> None:
    parts = official(model_of(RESNET, tokenizer, 224))
    del parts["model"]["decoder.layers.1.linear2.weight"]
    with pytest.raises(ConversionError, match=r"does not fit.*layers\.1\.linear2\.weight"):
        kad_from_parts(parts["image_encoder"], parts["text_encoder"], parts["model"], tokenizer)
    del parts["image_encoder"]["res_l2.weight"]
    with pytest.raises(ConversionError, match=r"project\.weight is missing"):
        kad_from_parts(parts["image_encoder"], parts["text_encoder"], parts["model"], tokenizer)


def test_two_names_of_one_tensor_must_agree() -> None:
    table = (Rule(r"[ab]\.weight", "weight"),)
    same = {"a.weight": torch.ones(2), "b.weight": torch.ones(2)}
    assert list(translate(same, table, "here")) == ["weight"]
    with pytest.raises(ConversionError, match="values differ"):
        translate({**same, "b.weight": torch.zeros(2)}, table, "here")


def test_checkpoints_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="no such file"):
        read_checkpoint(tmp_path / "none.pt")
    (tmp_path / "junk.pt").write_bytes(b"\x00junk")
    with pytest.raises(ConversionError, match="cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "junk.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ConversionError, match="holds a list"):
        read_checkpoint(tmp_path / "list.pt")
    torch.save({"model": Path()}, tmp_path / "code.pt")
    with pytest.raises(ConversionError, match="runs code"):
        read_checkpoint(tmp_path / "code.pt")


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(ConversionError, match="has no weights 'image_encoder'; found epoch"):
        part({"epoch": 1}, "image_encoder", "file.pt")


def test_a_size_that_is_assumed_or_was_not_published_is_warned_of(
    tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = replace(RESNET, depths=(1, 1, 1, 1), widths=(4, 6, 8, 10))
    for name, config in (("kad.pt", RESNET), ("kad_512.pt", deep)):
        torch.save(official(model_of(config, tokenizer, 224)), tmp_path / name)
    assert convert_kad(tmp_path / "kad.pt", tokenizer).preprocessing.size == 224
    assert convert_kad(tmp_path / "kad_512.pt", tokenizer, size=1024).preprocessing.size == 1024
    assert caplog.text == ""
    assert convert_kad(tmp_path / "kad_512.pt", tokenizer).preprocessing.size == 512
    assert "for 512 from one for 1024 pixels: taken as for 512. Give --size" in caplog.text
    convert_kad(tmp_path / "kad.pt", tokenizer, size=512)
    assert "cut after layer 3 was published for 224 pixels, not 512" in caplog.text
