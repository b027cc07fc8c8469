from pathlib import Path

import pytest
import torch

from carina.conversion.checks import CHECKS, numbered_pieces
from carina.conversion.checks_finetuned import FINDINGS
from carina.conversion.ecamp import convert_ecamp
from carina.conversion.finetuned import (
    ECAMP_224,
    MACO_224,
    convert_classifier,
    convert_detector,
    convert_multiclass,
    convert_segmenter,
)
from carina.conversion.gloria import convert_gloria
from carina.conversion.kad import convert_kad, convert_kad_text
from carina.conversion.layout import LAYOUTS, write_official
from carina.conversion.maco import convert_maco
from carina.conversion.medklip import convert_medklip
from carina.conversion.recorded_answers import Check, recorded_answers
from carina.conversion.self_check import differences, self_check, unproven
from carina.conversion.table import BARE, Rule
from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConversionError
from carina.models.folder import load_model, save_model

NETWORKS = [
    pytest.param(system, check, id=f"{system}: {check.name}")
    for system, checks in CHECKS.items()
    for check in checks
]


@pytest.mark.slow
@pytest.mark.parametrize("system", CHECKS)
def test_published_names_give_the_official_answers(system: str) -> None:
    found = self_check(system)
    assert list(found) == [check.name for check in CHECKS[system]]
    assert all(checked.largest < 5e-5 for checked in found.values())


def test_every_system_is_checked_and_what_is_not_is_said() -> None:
    assert CHECKS.keys() == LAYOUTS.keys()
    assert any("1024 pixels" in what for what in unproven("kad"))
    assert unproven("ecamp") == ()


def test_a_table_that_mixes_up_two_keys_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from carina.conversion import medklip

    # Two layers of the same size, one in the other's place: every key is still accounted for.
    swapped = (
        Rule(r"decoder\.layers\.0\.norm1\.(.+)", r"decoder.layers.0.norm2.\1"),
        Rule(r"decoder\.layers\.0\.norm2\.(.+)", r"decoder.layers.0.norm1.\1"),
        *medklip.TABLE,
    )
    monkeypatch.setattr(medklip, "TABLE", swapped)
    with pytest.raises(ConversionError, match="give other answers than the official code"):
        self_check("medklip")


def test_answers_that_are_not_recorded_are_not_checked() -> None:
    with pytest.raises(ConversionError, match="recorded for clip, only for kad, kad-text, med"):
        self_check("clip")


def test_recorded_keys_are_all_official_keys() -> None:
    recorded = recorded_answers("kad")
    keys = sum(len(recorded[name]) for name in recorded if name.endswith(".keys"))
    assert keys > 582 + 199  # image encoder with its second names, and BERT


LOADERS = {
    "kad": lambda path: convert_kad(path, train_wordpiece(["pleural effusion"], 30)),
    "kad-text": lambda path: convert_kad_text(path, train_wordpiece(["pleural effusion"], 30)),
    "medklip": lambda path: convert_medklip(path, tiny_encoder(), ()),
    "maco": lambda path: convert_maco(path, train_wordpiece(["no nodule."], 40)),
    "ecamp": lambda path: convert_ecamp(path, train_wordpiece(["no nodule."], 40)),
    "gloria": lambda path: convert_gloria(path, numbered_pieces(28_996)),
    "maco-classification": lambda path: convert_classifier(path, FINDINGS, MACO_224),
    "ecamp-classification": lambda path: convert_classifier(path, FINDINGS, ECAMP_224),
    "ecamp-multiclass": lambda path: convert_multiclass(path, FINDINGS, ECAMP_224),
    "ecamp-segmentation": lambda path: convert_segmenter(path, FINDINGS[:1]),
    "ecamp-detection": lambda path: convert_detector(path, FINDINGS[:1]),
}


def tiny_encoder() -> TextEncoder:
    config = TextEncoderConfig(
        vocabulary=40, width=768, layers=1, heads=12, hidden=8, positions=8, max_tokens=8, dim=8
    )
    return TextEncoder(config, train_wordpiece(["effusion"], 40))


@pytest.mark.slow
@pytest.mark.parametrize(("system", "check"), NETWORKS)
def test_true_size_through_the_files_and_back_changes_nothing(
    system: str, check: Check, tmp_path: Path
) -> None:
    recorded = recorded_answers(check.recorded)
    official, source = check.checkpoint(recorded), tmp_path / "official.pt"
    torch.save(official.get(BARE) or {**official, "epoch": 1}, source)
    save_model(LOADERS[system](source), tmp_path / "ours", card="")
    ours = load_model(tmp_path / "ours")
    assert differences(check.answers, ours, recorded).largest < 5e-5
    write_official(LAYOUTS[system], ours, source, tmp_path / "again.pt")
    again = LAYOUTS[system].read(tmp_path / "again.pt")
    assert again.keys() == official.keys()
    for name, state in official.items():
        assert again[name].keys() == state.keys()
        assert all(torch.equal(again[name][key], value) for key, value in state.items())
