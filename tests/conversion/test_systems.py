import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from carina.conversion.layout import LAYOUTS
from carina.conversion.published_keys import PUBLISHED, lacking
from carina.conversion.recorded_answers import recorded_answers
from carina.conversion.systems import (
    SYSTEMS,
    Given,
    convert_to_folder,
    read_findings,
    system_of,
)
from carina.conversion.table import read_checkpoint
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError, ConversionError, KnowledgeError, OutputError
from carina.models.folder import CARD, load_model

sys.path.insert(0, str(Path(__file__).parent))
from test_kad_conversion import RESNET, model_of, official


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    made = train_wordpiece(["pleural effusion"], 60)
    made.save(str(tmp_path / "tokenizer.json"))
    return made


def test_a_checkpoint_becomes_a_folder_with_a_card(tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = model_of(RESNET, tokenizer, 224)
    torch.save({**official(model), "epoch": 3}, tmp_path / "best.pt")
    given = Given(file=tmp_path / "best.pt", tokenizer=str(tmp_path / "tokenizer.json"), size=512)
    accounted = convert_to_folder("kad", given, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.preprocessing.size == 512
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    assert accounted.unused["the classifier of ImageNet"] == ("resnet.fc.weight",)
    card = (tmp_path / "model" / CARD).read_text()
    assert "github.com/xiaoman-zhang/KAD" in card
    assert "1 keys, such as `resnet.fc.weight`: the classifier of ImageNet" in card
    assert "sha256 " in card


def test_options_that_lack_or_do_nothing_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "none.pt"
    with pytest.raises(ConfigError, match="kad needs --tokenizer: the checkpoint has none"):
        convert_to_folder("kad", Given(file=file), tmp_path / "out")
    with pytest.raises(ConfigError, match="medklip needs --text-encoder"):
        convert_to_folder("medklip", Given(file=file), tmp_path / "out")
    with pytest.raises(ConfigError, match="--size is of no use to maco"):
        convert_to_folder("maco", Given(file=file, tokenizer="t", size=224), tmp_path / "out")
    with pytest.raises(ConfigError, match="no system 'clip', expected one of kad, kad-text"):
        system_of("clip")


def test_every_system_takes_what_it_needs() -> None:
    for system in SYSTEMS.values():
        assert set(system.needs) <= set(system.takes)


def test_findings_come_in_their_order_from_json(tmp_path: Path) -> None:
    path = tmp_path / "findings.json"
    path.write_text('{"effusion": "a veil", "abscess": "a pocket", "eumonia": "patches"}')
    assert [(one.name, one.text) for one in read_findings(path)] == [
        ("effusion", "a veil"),
        ("abscess", "a pocket"),
        ("pneumonia", "patches"),  # the official file misspells it
    ]
    path.write_text('["effusion"]')
    with pytest.raises(KnowledgeError, match="holds no object of names and texts"):
        read_findings(path)
    path.write_text('{"effusion": " "}')
    with pytest.raises(KnowledgeError, match="has a blank text"):
        read_findings(path)
    with pytest.raises(KnowledgeError, match="cannot be read"):
        read_findings(tmp_path / "none.json")
    with pytest.raises(ConversionError, match="expected a JSON file"):
        read_findings(tmp_path / "findings.txt")


def test_the_sizes_of_the_input_are_taken_as_given(tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch.save(official(model_of(RESNET, tokenizer, 224)), tmp_path / "best.pt")
    given = Given(file=tmp_path / "best.pt", tokenizer=str(tmp_path / "tokenizer.json"), size=0)
    with pytest.raises(ConfigError, match="size must be at least 16 pixels, got 0"):
        convert_to_folder("kad", given, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_is_no_model_is_not_written_over(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    torch.save(official(model_of(RESNET, tokenizer, 224)), path)
    given = Given(file=path, tokenizer=str(tmp_path / "tokenizer.json"))
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        convert_to_folder("kad", given, path)
    with pytest.raises(OutputError, match=r"holds 'best\.pt', which is no part of a model"):
        convert_to_folder("kad", given, tmp_path)
    assert read_checkpoint(path).keys() == {"image_encoder", "text_encoder", "model"}


def test_what_a_file_holds_beside_the_weights_is_named(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    parts = official(model_of(RESNET, tokenizer, 224))
    torch.save({**parts, "ema": parts["model"], "epoch": 3}, tmp_path / "best.pt")
    given = Given(file=tmp_path / "best.pt", tokenizer=str(tmp_path / "tokenizer.json"))
    accounted = convert_to_folder("kad", given, tmp_path / "model")
    assert accounted.unused["beside the weights in the file, no part of this model"] == (
        "ema",
        "epoch",
    )
    assert "2 keys, such as `ema`: beside the weights" in (tmp_path / "model" / CARD).read_text()


def published(system: str, network: int = 0) -> dict[str, Any]:
    """A checkpoint of the authors' keys, without numbers."""
    file, networks = PUBLISHED[system]
    recorded = recorded_answers(file)
    return {
        name: {key: torch.empty(0) for one in held for key in recorded[f"{one}.keys"].tolist()}
        for name, held in networks[network].items()
    }


def test_a_whole_checkpoint_lacks_nothing_and_one_without_its_last_layer_does() -> None:
    assert PUBLISHED.keys() == LAYOUTS.keys()
    for system, (_, networks) in PUBLISHED.items():
        for network in range(len(networks)):
            assert lacking(system, published(system, network)) == (), system
    for system, part, last in (
        ("kad", "model", "decoder.layers.3."),
        ("medklip", "", "decoder.layers.3."),
        ("maco", "", "blocks.11."),
        ("ecamp", "", "decoder_blocks.3."),
    ):
        cut = published(system)
        cut[part] = {key: value for key, value in cut[part].items() if not key.startswith(last)}
        missing = lacking(system, cut)
        assert missing, system
        assert all(last.replace("decoder_blocks", "decoder.blocks") in key for key in missing)


def test_a_file_without_its_last_layers_is_warned_of(
    tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(official(model_of(RESNET, tokenizer, 224)), tmp_path / "best.pt")
    given = Given(file=tmp_path / "best.pt", tokenizer=str(tmp_path / "tokenizer.json"))
    convert_to_folder("kad", given, tmp_path / "model")
    assert "weights that the authors' networks have, those that become decoder.la" in caplog.text
    assert "weights of the authors' networks: decoder.la" in (tmp_path / "model" / CARD).read_text()
