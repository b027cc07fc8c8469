"""A wrong file in hand: each is one message that says what it is and what to do."""

import gzip
import os
import sys
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from carina.conversion import wrong_files
from carina.conversion.checks import numbered_pieces
from carina.conversion.ecamp import convert_ecamp
from carina.conversion.gloria import convert_gloria
from carina.conversion.kad import convert_kad, convert_kad_text
from carina.conversion.layout import LAYOUTS, account, systems_of
from carina.conversion.lightning import read_lightning
from carina.conversion.maco import convert_maco
from carina.conversion.systems import Given, convert_to_folder
from carina.conversion.table import part, read_checkpoint
from carina.conversion.wrong_files import is_text
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConversionError

sys.path.insert(0, str(Path(__file__).parent))
from test_kad_conversion import RESNET, model_of
from test_kad_conversion import official as official_kad
from test_layout import ecamp, gloria, maco, medklip, vit_parts

WORDS = train_wordpiece(["pleural effusion"], 60)


class Runs:
    def __reduce__(self) -> tuple:
        return print, ("run",)


def packed_with(name: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"weights")

    return write


def torn_safetensors(path: Path) -> None:
    save_file({"weight": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-40])


def truncated_of_old(path: Path) -> None:
    torch.save({"w": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:2000])


def truncated(path: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:2000])


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "no such file; expected a checkpoint"),
    "folder": (Path.mkdir, r"is a folder, expected a checkpoint file\. Name the file in it"),
    "empty": (Path.touch, r"is empty\. Download it again"),
    "page": (
        lambda path: path.write_text("\n<!DOCTYPE html><html>Sign in</html>"),
        r"is a web page, .*save the file itself",
    ),
    "pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1"),
        "is a pointer of Git LFS, .*git lfs pull",
    ),
    "torn safetensors": (torn_safetensors, "is cut short or damaged .*Download it again"),
    "packed": (
        lambda path: path.write_bytes(gzip.compress(b"weights")),
        "is a packed archive, .*Unpack it",
    ),
    "zip": (packed_with("model.pth"), "is a packed archive, .*Unpack it"),
    "truncated": (truncated, r"is cut short or damaged \(2,000 bytes\)\. Download it again"),
    "truncated of old": (truncated_of_old, r"is cut short or damaged \(2,000 bytes\)"),
    "junk": (
        lambda path: path.write_bytes(b"\x00\x01junk"),
        r"cannot be read as a checkpoint of tensors \(it begins with b'.x00.x01junk'\)\. Download",
    ),
    "comment": (lambda path: path.write_text("<!-- saved --><HTML>"), r"is a web page"),
    "answer": (
        lambda path: path.write_text('{"error": "not found: 404 für Sie"}'),
        r"is text that begins with .*not found: 404 für Sie.*Download it again",
    ),
    "program": (
        lambda path: torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(path)),
        r"is a program of TorchScript, .*is refused\. Save its state_dict",
    ),
    "code": (
        lambda path: torch.save({"model": Runs()}, path),
        r"names .*print, expected tensors and plain values alone.*is refused\. Save its state_dict",
    ),
    "code of old": (
        lambda path: torch.save({"a": Runs()}, path, _use_new_zipfile_serialization=False),
        r"names .*print, expected tensors and plain values alone.*is refused\. Save its state_dict",
    ),
    "module": (
        lambda path: torch.save(torch.nn.Linear(1, 1), path),
        r"names torch\.nn\.modules\.linear\.Linear, .*Save its state_dict alone",
    ),
    "list": (
        lambda path: torch.save([1, 2], path),
        r"holds a list, expected a dictionary of weights.*save its state_dict\(\)",
    ),
}


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_is_no_checkpoint_is_called_what_it_is(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write, message = WRONG[kind]
    write(tmp_path / "best.pt")
    with pytest.raises(ConversionError, match=rf"best\.pt: {message}"):
        read_checkpoint(tmp_path / "best.pt")
    assert capsys.readouterr().out == ""
    if kind not in ("code", "code of old", "module"):  # Lightning's settings come back empty
        with pytest.raises(ConversionError, match=rf"best\.pt: {message}"):
            read_lightning(tmp_path / "best.pt")


class RunsTheSystem:
    def __reduce__(self) -> tuple:
        return os.system, ("echo run",)


def test_settings_of_lightning_that_would_run_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": RunsTheSystem()}, tmp_path / "best.ckpt")
    with pytest.raises(ConversionError, match=r"names posix\.system, and .*without running it"):
        read_lightning(tmp_path / "best.ckpt")
    assert capfd.readouterr().out == ""


def test_a_cut_letter_at_the_end_of_what_is_looked_at_is_text_still() -> None:
    assert is_text("für".encode()[:2])
    assert not is_text(b"\xff\xfe" + b"f" * 20)
    assert not is_text(b"text\x00")


def test_a_file_that_may_not_be_opened_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "best.pt").touch()
    monkeypatch.setattr(wrong_files, "beginning_of", refuses)
    with pytest.raises(ConversionError, match=r"cannot be opened \(Permission denied\)"):
        read_checkpoint(tmp_path / "best.pt")


@pytest.mark.parametrize(
    "make", [medklip, maco, ecamp, gloria], ids=["medklip", "maco", "ecamp", "gloria"]
)
def test_weights_are_found_whatever_is_around_them(make: Callable, tmp_path: Path) -> None:
    layout, official = LAYOUTS[make.__name__], make()
    (state,) = official.values()
    expected = account(layout, official, "here")
    for name, content in {
        "bare.pt": state,
        "model.pt": {"model": state},
        "wrapped.pt": {"state_dict": state},
    }.items():
        torch.save(content, tmp_path / name)
        assert account(layout, layout.read(tmp_path / name), "here") == expected
    save_file({key: value.clone() for key, value in state.items()}, tmp_path / "a.safetensors")
    again = account(layout, layout.read(tmp_path / "a.safetensors"), "here")
    assert again.taken == expected.taken


def test_the_knowledge_encoder_is_found_alone_too(tmp_path: Path) -> None:
    text = official_kad(model_of(RESNET, WORDS, 224))["text_encoder"]
    torch.save(text, tmp_path / "bare.pt")
    found = convert_kad_text(tmp_path / "bare.pt", WORDS).state_dict()
    assert torch.equal(found["project.2.bias"], text["mlp_embed.2.bias"])


def test_a_part_that_holds_something_else_is_named() -> None:
    with pytest.raises(ConversionError, match=r"'model' holds 'n', a int, expected names and"):
        part({"model": {"a": torch.ones(1), "n": 3}}, "model", "here")
    with pytest.raises(ConversionError, match=r"'model' holds 3, a Tensor"):
        part({"model": {3: torch.ones(1)}}, "model", "here")
    with pytest.raises(ConversionError, match=r"'model' is a list, expected names and their"):
        part({"model": [torch.ones(1)]}, "model", "here")


def test_options_and_scores_of_a_training_are_read_over(tmp_path: Path) -> None:
    parts = official_kad(model_of(RESNET, WORDS, 224))
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    beside = {
        "args": Namespace(lr=1e-4, seed=np.int64(3)),
        "best_auc": np.float64(0.79),
        "scores": np.float32(0.5),
        "optimizer": optimiser.state_dict(),
        "lr_scheduler": {"last_epoch": 3, "base_lrs": [1e-4]},
    }
    torch.save({**parts, **beside}, tmp_path / "best.pt")
    found = convert_kad(tmp_path / "best.pt", WORDS).state_dict()
    assert torch.equal(found["head.weight"], parts["model"]["mlp_head.0.weight"])
    assert read_checkpoint(tmp_path / "best.pt")["best_auc"] == 0.79


def test_half_precision_is_read_as_the_same_numbers(tmp_path: Path) -> None:
    parts = official_kad(model_of(RESNET, WORDS, 224))
    half = {
        part: {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
        for part, state in parts.items()
    }
    torch.save(half, tmp_path / "half.pt")
    found = convert_kad(tmp_path / "half.pt", WORDS).state_dict()["head.weight"]
    assert found.dtype == torch.float32
    assert torch.equal(found, half["model"]["mlp_head.0.weight"].float())


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.pth"

    def written(key: str, value: torch.Tensor) -> Path:
        checkpoint = maco()
        checkpoint["model"][key] = value
        torch.save(checkpoint, path)
        return path

    too_large = torch.full((12,), 1e6).half()
    with pytest.raises(ConversionError, match=r"decoder\.norm\.bias holds numbers that are inf"):
        convert_maco(written("decoder_norm.bias", too_large), WORDS)
    for odd in (torch.zeros(12, dtype=torch.complex64), torch.zeros(12).to_sparse()):
        with pytest.raises(ConversionError, match=r"is of kind torch\..*, expected plain"):
            convert_maco(written("decoder_norm.bias", odd), WORDS)


def test_a_checkpoint_of_another_system_is_named(tmp_path: Path) -> None:
    WORDS.save(str(tmp_path / "words.json"))
    torch.save({**ecamp(), "epoch": 3}, tmp_path / "wrong.pth")
    given = Given(file=tmp_path / "wrong.pth", tokenizer=str(tmp_path / "words.json"))
    with pytest.raises(ConversionError, match=r"of ecamp, expected one of maco\..*convert ecamp"):
        convert_to_folder("maco", given, tmp_path / "out")
    with pytest.raises(ConversionError, match=r"of ecamp, expected one of kad\."):
        convert_to_folder("kad", given, tmp_path / "out")
    with pytest.raises(ConversionError, match=r"of ecamp, expected one of gloria\."):
        convert_to_folder("gloria", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("made", "systems"),
    [
        (ecamp, ("ecamp",)),
        (maco, ("maco",)),
        (gloria, ("gloria",)),
        (medklip, ("medklip",)),
        (vit_parts, ("kad",)),
        (lambda: {"model": {"weight": torch.ones(1)}}, ()),
        (lambda: {"model": {"cls_token": torch.ones(1)}}, ()),  # of MAE, as of many
        (lambda: {"model": 3}, ()),
    ],
)
def test_a_system_is_told_by_its_keys(made: Callable, systems: tuple[str, ...]) -> None:
    assert systems_of({**made(), "epoch": 1}, "here") == systems


def test_sizes_that_no_published_network_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"

    def written(checkpoint: dict, part: str, key: str, value: torch.Tensor) -> Path:
        checkpoint[part][key] = value
        torch.save(checkpoint, path)
        return path

    flat = written(maco(), "model", "patch_embed.proj.weight", torch.zeros(12, 768))
    with pytest.raises(ConversionError, match=r"is \(12, 768\), expected features, channels"):
        convert_maco(flat, WORDS)
    words = "bert_encoder.model.bert.embeddings.word_embeddings.weight"
    narrow = written(ecamp(), "model", f"module.{words}", torch.zeros(40, 400))
    with pytest.raises(ConversionError, match="is 400 wide, expected a multiple of 128"):
        convert_ecamp(narrow, WORDS)
    none = written(ecamp(), "model", f"module.{words}", torch.zeros(()))
    with pytest.raises(ConversionError, match=r"is \(\), expected 2 dimensions or more"):
        convert_ecamp(none, WORDS)
    thirds = vit_parts()
    name = next(key for key in thirds["image_encoder"] if ".attn.proj_k.weight" in key)
    with pytest.raises(ConversionError, match=r"attn\.v\.weight have different sizes"):
        convert_kad(written(thirds, "image_encoder", name, torch.zeros(64, 3)), WORDS)
    stem = written(gloria(), "state_dict", "gloria.img_encoder.model.conv1.weight", torch.ones(2))
    with pytest.raises(ConversionError, match=r"is \(2,\), expected features, channels"):
        convert_gloria(stem, WORDS)


def test_a_size_that_a_vit_was_not_made_for_is_refused(tmp_path: Path) -> None:
    torch.save(vit_parts(), tmp_path / "best.pt")
    with pytest.raises(ConversionError, match="holds a ViT for 32 pixels, not 224"):
        convert_kad(tmp_path / "best.pt", WORDS, size=224)
    assert convert_kad(tmp_path / "best.pt", WORDS, size=32).preprocessing.size == 32


def test_a_part_of_a_checkpoint_is_not_taken_for_it(tmp_path: Path) -> None:
    checkpoint = vit_parts()
    image = checkpoint["image_encoder"]
    name = next(key for key in image if ".attn.proj_k.weight" in key)
    del image[name]
    torch.save(checkpoint, tmp_path / "best.pt")
    with pytest.raises(ConversionError, match=r"attn\.k\.weight is missing.*only a part"):
        convert_kad(tmp_path / "best.pt", WORDS)
    encoder = {"model": {k: v for k, v in ecamp()["model"].items() if "blocks" in k}}
    torch.save(encoder, tmp_path / "mae.pth")
    with pytest.raises(ConversionError, match=r"is missing\. The file is of another system"):
        convert_ecamp(tmp_path / "mae.pth", WORDS)


def test_a_tokenizer_of_another_vocabulary_is_refused_or_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(vit_parts(), tmp_path / "best.pt")
    numbered_pieces(200).save(str(tmp_path / "larger.json"))
    given = Given(file=tmp_path / "best.pt", tokenizer=str(tmp_path / "larger.json"))
    with pytest.raises(ConversionError, match=r"larger\.json: has 200 word pieces, .* knows 60"):
        convert_to_folder("kad", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    WORDS.save(str(tmp_path / "smaller.json"))
    given = Given(file=tmp_path / "best.pt", tokenizer=str(tmp_path / "smaller.json"))
    convert_to_folder("kad", given, tmp_path / "out")
    assert "word pieces, the checkpoint 60: is it the authors'?" in caplog.text
