"""Bad input, as people bring it: one clear message, code 1 or 2, nothing half-written."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from carina.cli.main import main
from carina.imaging.store import ImageStore
from carina.studies.manifest import Manifest

Captured = pytest.CaptureFixture[str]


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def said(capsys: Captured) -> str:
    """All that was printed, in one line."""
    printed = capsys.readouterr()
    text = " ".join((printed.out + printed.err).replace("│", " ").split())
    assert "Traceback" not in text
    assert "an error in carina itself" not in text
    return text


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith((".tmp", ".old"))]


def picture(path: Path, shape: tuple[int, ...] = (48, 48)) -> Path:
    levels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(levels).save(path)
    return path


def dicom(path: Path, **fields: object) -> Path:
    from pydicom.dataset import Dataset

    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", generate_uid()
    data.Modality = "DX"
    for name, value in fields.items():
        setattr(data, name, value)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path


def pixels(frames: int, view: str = "PA") -> dict[str, object]:
    return {
        **{"Rows": 16, "Columns": 16, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
        **{"PixelRepresentation": 0, "SamplesPerPixel": 1, "NumberOfFrames": frames},
        **{"PhotometricInterpretation": "MONOCHROME2", "ViewPosition": view},
        "PixelData": bytes(range(256)) * frames,
    }


def bad_file(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.dcm"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        whole = picture(folder / "whole.png").read_bytes()
        (folder / "whole.png").unlink()
        path = folder / "truncated.png"
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "pdf":
        path.write_bytes(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n")
    elif kind == "no pixels":
        dicom(path)
    elif kind == "volume":
        dicom(path, **pixels(frames=4))
    elif kind == "colour":
        path = picture(folder / "colour.png", (48, 48, 3))
    elif kind == "lateral":
        dicom(path, **pixels(frames=1, view="LL"))
    return path


BAD_FILES = ("empty", "truncated", "pdf", "no pixels", "volume", "colour", "lateral")


@pytest.mark.parametrize("kind", BAD_FILES)
def test_asking_of_a_bad_file_answers_the_others_and_names_it(
    kind: str, tiny_run: Path, tmp_path: Path, capsys: Captured
) -> None:
    good, bad = picture(tmp_path / "good.png"), bad_file(kind, tmp_path)
    assert run("ask", tiny_run, good, bad, "--query", "edema", "--out", tmp_path / "out") == 1
    text = said(capsys)
    assert "Not answered: 1 of the images" in text
    assert bad.name in text
    assert "good.png" in (tmp_path / "out" / "scores.csv").read_text()
    assert run("ask", tiny_run, bad, "--query", "edema", "--out", tmp_path / "none") == 1
    assert bad.name in said(capsys)
    assert not (tmp_path / "none").exists()
    assert not left_over(tmp_path)


def table(folder: Path, rows: list[dict[str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.mark.parametrize("kind", ["empty", "truncated", "pdf", "no pixels", "volume", "colour"])
def test_packing_and_checking_go_on_after_a_bad_file_and_name_it(
    kind: str, tmp_path: Path, capsys: Captured
) -> None:
    root = tmp_path / "films"
    root.mkdir()
    good, bad = picture(root / "good.png"), bad_file(kind, root)
    table(root, [{"image": p.name, "patient_id": p.name, "report": "x"} for p in (good, bad)])
    manifest = tmp_path / "m.parquet"
    assert run("index", "csv", root, "--out", manifest) == 0
    said(capsys)
    assert run("check", manifest) == 1
    assert bad.name in said(capsys)
    assert run("pack", manifest, "--size", 16, "--out", tmp_path / "store") == 1
    text = said(capsys)
    assert "1 could not be read" in text
    assert bad.name in text
    assert ImageStore.open(tmp_path / "store").keys == ("good.png",)
    assert not left_over(tmp_path)


@pytest.mark.parametrize("repeats", [5_000, pytest.param(265_000, marks=pytest.mark.slow)])
def test_empty_binary_and_huge_reports_are_read_without_harm(
    repeats: int, tmp_path: Path, capsys: Captured
) -> None:
    csv.field_size_limit(20_000_000)
    reports = ["", "\x01\ufffd\x7f" * 50, "No pneumothorax. Small left effusion. " * repeats]
    root = tmp_path / "films"
    root.mkdir()
    rows = [
        {"image": picture(root / f"{i}.png").name, "patient_id": str(i), "report": report}
        for i, report in enumerate(reports)
    ]
    table(root, rows)
    assert run("index", "csv", root, "--out", tmp_path / "m.parquet") == 0
    assert run("annotate", tmp_path / "m.parquet", "--out", tmp_path / "a.parquet") == 0
    text = said(capsys)
    assert "1 without a report" in text
    assert "1 whose report gave nothing" in text


def test_a_table_that_is_no_text_is_refused(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "manifest.csv").write_bytes(b"image,report\na.png,\x00\xff\x00\n")
    assert run("index", "csv", tmp_path, "--out", tmp_path / "m.parquet") == 1
    assert "manifest.csv: is no text" in said(capsys)
    assert not (tmp_path / "m.parquet").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("pretrain", "kad_tiny", "--data", "{m}", "--out", "{o}"), 2, "There is no recipe"),
        (("pretrain", "kad_small", "--data", "{m}"), 2, "--out FOLDER"),
        (("pretrain", "kad_small", "--data", "gone", "--out", "{o}"), 1, "no such file"),
        (
            ("pretrain", "kad_small", "--data", "{m}", "--out", "{o}", "--set", "stepz=1"),
            2,
            "Did you mean steps",
        ),
        (
            ("pretrain", "kad_small", "--data", "{m}", "--out", "{o}", "--root", "gone"),
            1,
            "there is no folder",
        ),
        (
            ("pretrain", "kad_small", "--data", "{m}", "--out", "{o}", "--from", "knowledge"),
            2,
            "expected STAGE=RUN",
        ),
        (
            ("pretrain", "kad_small", "--data", "{m}", "--out", "{o}", "--knowledge", "{m}"),
            1,
            "no concept graph",
        ),
        (
            ("pretrain", "kad_small", "--data", "{m}", "--out", "{o}", "--devices", "3"),
            2,
            "does not divide",
        ),
        (("ask", "{r}", "{i}", "--query", ""), 2, "query is empty"),
        (("ask", "{r}", "{i}", "--query", "a", "--query", "A"), 2, "given twice"),
        (("ask", "{o}", "{i}", "--query", "a"), 1, "is no folder"),
        (("ask", "{r}", "gone.png", "--query", "a"), 1, "gone.png"),
        (("evaluate", "{r}", "{m}", "--out", "{o}", "--split", "never"), 1, "never"),
        (("annotate", "{m}", "--out", "{o}", "--extractor", "magic"), 2, "magic"),
    ],
)
def test_wrong_words_get_one_message_and_leave_nothing(
    words: tuple[str, ...],
    code: int,
    message: str,
    tiny_run: Path,
    tiny_cohort: Path,
    tmp_path: Path,
    capsys: Captured,
) -> None:
    image = picture(tmp_path / "good.png")
    places = {"m": tiny_cohort, "r": tiny_run, "o": tmp_path / "out", "i": image}
    assert run(*(word.format(**places) for word in words)) == code
    assert message in said(capsys)
    assert not (tmp_path / "out").exists()
    assert not left_over(tmp_path)


@pytest.mark.parametrize("command", ["check", "annotate", "pack", "pretrain", "evaluate"])
def test_a_manifest_with_missing_columns_is_refused_by_every_command(
    command: str, tiny_run: Path, tiny_cohort: Path, tmp_path: Path, capsys: Captured
) -> None:
    manifest, out = tmp_path / "m.parquet", tmp_path / "out"
    pl.read_parquet(tiny_cohort).drop("report", "radiographs").write_parquet(manifest)
    words: dict[str, tuple[object, ...]] = {
        "check": (manifest,),
        "annotate": (manifest, "--out", out),
        "pack": (manifest, "--size", 32, "--out", out),
        "pretrain": ("kad_small", "--data", manifest, "--out", out),
        "evaluate": (tiny_run, manifest, "--out", out),
    }
    assert run(command, *words[command]) == 1
    assert "columns are missing: report, radiographs" in said(capsys)
    assert not out.exists()


def test_a_text_longer_than_the_encoder_takes_is_cut_and_told(
    tiny_run: Path, tmp_path: Path, capsys: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    image = picture(tmp_path / "good.png")
    assert run("ask", tiny_run, image, "--query", "covid-19=" + "patchy opacities " * 400) == 0
    said(capsys)
    assert "longer than 192 tokens; their ends were cut" in caplog.text


def test_a_model_of_another_version_is_refused(
    tiny_run: Path, tmp_path: Path, capsys: Captured
) -> None:
    model = Path(shutil.copytree(tiny_run / "model", tmp_path / "model"))
    text = (model / "config.json").read_text()
    (model / "config.json").write_text(text.replace('"format": 1', '"format": 2'))
    image = picture(tmp_path / "good.png")
    assert run("ask", model, image, "--query", "edema") == 1
    assert "reads format 1" in said(capsys)


# The largest file that the command may write, in 1024 bytes. What the system says of a file that
# is too large is not what it says of a full disk, but it comes at the same calls.
SHORT_OF_SPACE = """
import resource, signal, sys, errno, builtins, os
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from carina.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (2_000, ("annotate", "{m}", "--out", "{o}")),
        (4_000, ("pack", "{m}", "--size", "64", "--out", "{o}")),
        (4_000, ("pack", "{m}", "--size", "64", "--out", "{o}", "--processes", "2")),
        (500_000, ("pretrain", "kad_small", "--data", "{m}", "--out", "{o}", *("{settings}",))),
        (5_000, ("ask", "{r}", "{i}", "--query", "edema", "--out", "{o}")),
        (2_000, ("evaluate", "{r}", "{m}", "--out", "{o}", "--replicates", "10")),
        (2_000, ("knowledge", "{k}", "--out", "{o}")),
    ],
)
def test_a_disk_without_space_is_told_and_nothing_is_half_written(
    size: int,
    words: tuple[str, ...],
    tiny_run: Path,
    tiny_cohort: Path,
    tiny_settings: tuple[str, ...],
    tmp_path: Path,
) -> None:
    import carina.knowledge

    places = {
        **{"m": tiny_cohort, "r": tiny_run, "o": tmp_path / "out"},
        "i": Manifest.read(tiny_cohort).absolute("images/000000.png"),
        "k": Path(str(carina.knowledge.__file__)).parent / "chest.toml",
    }
    given: list[str] = []
    for word in words:
        if word == "{settings}":
            given += [part for setting in tiny_settings for part in ("--set", setting)]
        else:
            given.append(word.format(**places))
    if words[0] == "ask":
        given[2] = str(picture(tmp_path / "good.png", (200, 200)))
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_SPACE.format(size=size), *given],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "cannot be written (File too large)" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not left_over(tmp_path)
    if words[0] not in ("pack", "pretrain"):  # these two keep what is whole
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_pack_that_is_stopped_is_completed_by_the_same_command(
    number: int, tmp_path: Path, tiny_cohort: Path
) -> None:
    root = tmp_path / "films"
    root.mkdir()
    large = picture(tmp_path / "large.png", (1200, 1200))
    names = [f"{i}.png" for i in range(3 * 64)]
    for name in names:
        (root / name).hardlink_to(large)
    table(root, [{"image": name, "patient_id": name} for name in names])
    assert run("index", "csv", root, "--out", tmp_path / "m.parquet") == 0
    words = [sys.executable, "-m", "carina", "pack", str(tmp_path / "m.parquet")]
    words += ["--size", "32", "--out", str(tmp_path / "store")]
    process = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell ignore Ctrl-C, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 100
    while not list((tmp_path / "store" / "shards").glob("*.shard")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == (1 if number == signal.SIGINT else -9)
    assert "Traceback" not in told
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert f"{3 * 64} images" in done.stdout
    assert not ImageStore.open(tmp_path / "store").verify()
    assert not left_over(tmp_path)
