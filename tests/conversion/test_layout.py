"""The way back: our models under official names, at a size of a few numbers."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from carina.conversion.ecamp import convert_ecamp
from carina.conversion.gloria import convert_gloria
from carina.conversion.kad import convert_kad
from carina.conversion.layout import LAYOUTS, account, to_official, write_official
from carina.conversion.maco import convert_maco
from carina.conversion.medklip import convert_medklip, medklip_from_part
from carina.conversion.table import read_checkpoint
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConversionError, OutputError
from carina.models.folder import load_model, save_model
from carina.pretraining.ecamp import ECAMPModel
from carina.pretraining.maco import MaCoModel

sys.path.insert(0, str(Path(__file__).parent))
from test_ecamp_conversion import CONFIG as ECAMP
from test_ecamp_conversion import official as official_ecamp
from test_gloria_conversion import official as official_gloria
from test_gloria_conversion import tokenizer as gloria_words
from test_kad_conversion import RESNET, VIT, model_of
from test_kad_conversion import official as official_kad
from test_maco_conversion import CONFIG as MACO
from test_maco_conversion import TOKENIZER
from test_maco_conversion import official as official_maco
from test_medklip_conversion import FINDINGS, encoder_of, published
from test_medklip_conversion import model_of as medklip_model

WORDS = train_wordpiece(["pleural effusion"], 60)


def vit_parts() -> dict[str, dict[str, Tensor]]:
    """KAD with a ViT: three matrices where ours has one, and two keys that are left out."""
    model = model_of(VIT, WORDS, 32)
    state: dict[str, Tensor] = {}
    for key, value in model.image_encoder.state_dict().items():
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
    state |= {"vit.norm.weight": torch.ones(64), "vit.fc.weight": torch.zeros(2, 64)}
    parts = official_kad(model_of(RESNET, WORDS, 224))
    return {**parts, "image_encoder": state}


def kad_resnet() -> dict[str, Any]:
    return official_kad(model_of(RESNET, WORDS, 224))


def medklip() -> dict[str, Any]:
    return {"model": published(medklip_model())}


def maco() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"model": official_maco(MaCoModel.from_config(MACO, TOKENIZER))}


def ecamp() -> dict[str, Any]:
    """As released, from several GPUs and an older library that kept a constant."""
    torch.manual_seed(0)
    state = official_ecamp(ECAMPModel.from_config(ECAMP, TOKENIZER), "cross_attn_layer")
    state["bert_encoder.model.bert.embeddings.position_ids"] = torch.arange(20)[None]
    return {"model": {f"module.{key}": value for key, value in state.items()}}


def gloria() -> dict[str, Any]:
    """As Lightning keeps it, "gloria." before every key."""
    return {"state_dict": official_gloria()[1]}


def gloria_within() -> dict[str, Any]:
    """The same inside another module of Lightning, on several GPUs."""
    state = official_gloria()[1]
    return {"state_dict": {f"module.model.{key}": value for key, value in state.items()}}


def gloria_without_counters() -> dict[str, Any]:
    """The same from before batch norms counted."""
    state = official_gloria()[1]
    return {"state_dict": {k: v for k, v in state.items() if "num_batches_tracked" not in k}}


ROUNDS = {
    "kad": (kad_resnet, lambda path: convert_kad(path, WORDS)),
    "kad with a ViT": (vit_parts, lambda path: convert_kad(path, WORDS)),
    "medklip": (medklip, lambda path: convert_medklip(path, encoder_of(), FINDINGS)),
    "maco": (maco, lambda path: convert_maco(path, TOKENIZER)),
    "ecamp": (ecamp, lambda path: convert_ecamp(path, TOKENIZER)),
    "gloria": (gloria, lambda path: convert_gloria(path, gloria_words())),
    "gloria within": (gloria_within, lambda path: convert_gloria(path, gloria_words())),
    "gloria without counters": (
        gloria_without_counters,
        lambda path: convert_gloria(path, gloria_words()),
    ),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_official_to_ours_to_official_changes_no_key_and_no_number(
    name: str, tmp_path: Path
) -> None:
    make, convert = ROUNDS[name]
    layout = LAYOUTS[name.split(maxsplit=1)[0]]
    official, source = make(), tmp_path / "official.pt"
    torch.save({**official, "epoch": 7}, source)
    save_model(convert(source), tmp_path / "ours", card="")
    write_official(layout, load_model(tmp_path / "ours"), source, tmp_path / "again.pt")
    again = read_checkpoint(tmp_path / "again.pt")
    assert again.keys() == official.keys()
    for part, state in official.items():
        assert again[part].keys() == state.keys()
        for key, value in state.items():
            assert torch.equal(again[part][key], value), key


def test_other_weights_of_ours_take_the_place_of_the_published_ones() -> None:
    official = medklip()
    torch.manual_seed(9)
    model = medklip_model()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(1.0)
    written = to_official(LAYOUTS["medklip"], model, official, "here")["model"]
    for key, value in official["model"].items():
        moved = value + 1.0 if value.is_floating_point() and "running" not in key else value
        torch.testing.assert_close(written[key], moved)


def test_every_key_is_taken_or_left_out_for_a_reason() -> None:
    found = account(LAYOUTS["maco"], maco(), "here")
    assert found.unused == {
        "never used; the scale is Tpar": ("logit_scale",),
        "the importance of the last training batch, kept by mistake": ("WCE.weight",),
    }
    assert found.taken == len(maco()["model"]) - 2


def test_what_ecamp_and_gloria_leave_out_is_named() -> None:
    bert = "bert_encoder.model.bert."
    found = account(LAYOUTS["ecamp"], ecamp(), "here")
    assert found.unused == {
        "a constant": (f"{bert}embeddings.position_ids",),
        "computed and never used": (f"{bert}pooler.dense.weight",),
    }
    assert found.taken == len(ecamp()["model"]) - 2
    found = account(LAYOUTS["gloria"], gloria(), "here")
    text = "gloria.text_encoder.model."
    assert found.unused == {
        "a constant": (f"{text}embeddings.position_ids",),
        "computed by the code, never used": (
            f"{text}pooler.dense.weight",
            f"{text}pooler.dense.bias",
        ),
    }
    assert found.taken == len(gloria()["state_dict"]) - 3


def test_a_file_that_does_not_fit_the_model_is_refused() -> None:
    layout, official = LAYOUTS["medklip"], medklip()
    state = official["model"]
    other = {"model": {**state, "module.cl_fc.bias": torch.zeros(3)}}
    with pytest.raises(ConversionError, match=r"cl_fc\.bias: is \(3,\), the model's position"):
        to_official(layout, medklip_model(), other, "here")
    more = {"model": {**state, "module.decoder.layers.9.norm1.bias": torch.zeros(16)}}
    with pytest.raises(ConversionError, match=r"the model has no decoder\.layers\.9\.norm1\.bias"):
        to_official(layout, medklip_model(), more, "here")
    fewer = {"model": {key: value for key, value in state.items() if "cl_fc.bias" not in key}}
    with pytest.raises(ConversionError, match=r"has no place for position\.bias"):
        to_official(layout, medklip_model(), fewer, "here")
    with pytest.raises(ConversionError, match="the key queue is in no table"):
        account(layout, {"model": {**state, "queue": torch.zeros(1)}}, "here")


def test_the_file_whose_names_are_taken_is_never_written_over(tmp_path: Path) -> None:
    like = tmp_path / "official.pt"
    torch.save(medklip(), like)
    with pytest.raises(OutputError, match="is the file that is read"):
        write_official(LAYOUTS["medklip"], medklip_model(), like, like)
    assert read_checkpoint(like).keys() == {"model"}


def test_half_precision_comes_back_where_it_holds_the_same_numbers() -> None:
    state = {k: v.half() if v.is_floating_point() else v for k, v in medklip()["model"].items()}
    model = medklip_from_part({k[7:]: v for k, v in state.items()}, encoder_of(), FINDINGS)
    written = to_official(LAYOUTS["medklip"], model, {"model": state}, "here")["model"]
    assert all(torch.equal(written[key], value) for key, value in state.items())
    with torch.no_grad():
        model.position.bias.add_(1e-6)  # as training does, finer than half precision
    again = to_official(LAYOUTS["medklip"], model, {"model": state}, "here")["model"]
    assert again["module.cl_fc.bias"].dtype == torch.float32
    assert torch.equal(again["module.cl_fc.bias"], model.position.bias)
