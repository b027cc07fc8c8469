import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from carina.annotation import json_records
from carina.annotation.json_records import iterate_members
from carina.annotation.radgraph import RadGraphFiles, RadGraphPackage
from carina.errors import AnnotationError, ConfigError


def record(text: str, word: str, label: str = "OBS-DP") -> dict[str, object]:
    place = text.split(" ").index(word)
    entity = {
        "tokens": word,
        "label": label,
        "start_ix": place,
        "end_ix": place,
        "relations": [],
    }
    return {"text": text, "entities": {"1": entity}, "data_source": "MIMIC-CXR"}


def written(folder: Path, records: object, name: str = "graphs.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(records))
    return path


def names(reading) -> list[list[str] | None]:
    return [None if found is None else [e.name for e in found] for found in reading.entities]


@pytest.mark.parametrize("key", ["p10/p1000/s1.txt", "train/p10/s1.txt", "s1", "1", "s1.txt"])
def test_a_record_belongs_to_the_study_that_its_key_names(
    key: str, studies_of, tmp_path: Path
) -> None:
    path = written(
        tmp_path, {"p10/p2/s7.txt": record("A nodule .", "nodule"), key: record("A mass .", "mass")}
    )
    reading = RadGraphFiles(records=(path,)).read(studies_of("A nodule.", "A mass."))
    assert names(reading) == [None, ["mass"]]
    assert [(p.reason, p.count, p.examples) for p in reading.problems] == [
        ("reports without a RadGraph record: not read", 1, ("s0",))
    ]


def test_several_files_are_read_as_one_and_empty_reports_need_none(
    studies_of, tmp_path: Path
) -> None:
    files = (
        written(tmp_path, {"s0": record("A nodule .", "nodule")}, "train.json"),
        written(tmp_path, {"s1": record("A mass .", "mass")}, "dev.json"),
    )
    reading = RadGraphFiles(records=files).read(studies_of("A nodule.", "A mass.", " "))
    assert names(reading) == [["nodule"], ["mass"], []]
    assert reading.problems == ()


def test_of_two_annotators_the_first_is_read(studies_of, tmp_path: Path) -> None:
    whole = record("No mass .", "mass")
    other = record("No mass .", "mass", "OBS-DA")["entities"]
    path = written(
        tmp_path,
        {
            "s0": {
                "text": whole["text"],
                "labeler_1": {"entities": other},
                "labeler_2": {"entities": whole["entities"]},
            }
        },
    )
    (found,) = RadGraphFiles(records=(path,)).read(studies_of("No mass.")).entities
    assert [str(e.assertion) for e in found or ()] == ["absent"]


def test_a_record_of_another_text_is_not_read_and_counted(studies_of, tmp_path: Path) -> None:
    path = written(tmp_path, {"s0": record("A mass .", "mass")})
    reading = RadGraphFiles(records=(path,)).read(studies_of("Another text."))
    assert reading.entities == (None,)
    assert reading.problems[0].reason.startswith("reports whose RadGraph record was made from")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"0": record("A mass .", "mass")}, "no record is of a study of the manifest.*numbered"),
        (
            {"a/s5.txt": record("A mass .", "mass"), "b/s5.txt": record("A mass .", "mass")},
            "'b/s5.txt' is of the same study as 'a/s5.txt'",
        ),
        ({"s5": 3}, "s5: the record is 3, expected an object"),
        ({"s5": {"entities": {}}}, "s5: a RadGraph record has the keys entities"),
    ],
)
def test_files_of_another_form_are_refused(
    records: object, message: str, studies_of, tmp_path: Path
) -> None:
    studies = studies_of(*["A mass."] * 6)[5:]
    with pytest.raises(AnnotationError, match=message):
        RadGraphFiles(records=(written(tmp_path, records),)).read(studies)


def test_no_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="no file of RadGraph is given"):
        RadGraphFiles(records=())


# ------------------------------------------------------------------ large files


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 20])
def test_members_are_read_whatever_the_chunk(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "CHUNK", chunk)
    whole = {"a": {"b": [1, 2.5, 'x\\"y', None]}, "ü": [], "n": 12345, "t": True, "s": "}{"}
    path = tmp_path / "m.json"
    for text in (json.dumps(whole), json.dumps(whole, indent=2, ensure_ascii=False), "\ufeff{ }"):
        path.write_text(text, encoding="utf-8")
        assert dict(iterate_members(path)) == json.loads(text.lstrip("\ufeff"))


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"a": 1', '{"a": 1,', '{"a" 1}', '{"a": {"b": [1,', '{"a": 1 "b": 2}']
)
def test_a_file_that_was_cut_off_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=r"cut\.json: cannot be read as one JSON object"):
        list(iterate_members(path))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"none\.json: cannot be read .*No such file"):
        list(iterate_members(tmp_path / "none.json"))


# ------------------------------------------------------------------ the package


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with the face of `radgraph` 0.1.18: it prints, and skips what it fails on."""
    module = ModuleType("radgraph")
    module.made = []

    class RadGraph:
        def __init__(self, model_type: str | None = None) -> None:
            print("Using device: cpu")
            module.made.append(model_type)

        def __call__(self, reports: list[str]) -> dict[str, object]:
            if "fail" in reports[0]:
                print(f"Error in {reports[0]}")
                return {}
            return {"0": record(reports[0].replace(".", " ."), "mass")}

    module.RadGraph = RadGraph
    monkeypatch.setitem(sys.modules, "radgraph", module)
    return module


def test_the_package_reads_reports_one_by_one_and_in_silence(
    package: ModuleType, studies_of: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    reading = RadGraphPackage().read(studies_of("A mass.", "", "A fail mass.", "No mass."))
    assert names(reading) == [["mass"], [], None, ["mass"]]
    assert package.made == ["radgraph-xl"]
    assert capsys.readouterr().out == ""
    (problem,) = reading.problems
    assert (problem.reason, problem.examples) == (
        "reports that the radgraph package failed on: not read",
        ("s2",),
    )


def test_the_kind_of_weights_is_passed_on(package: ModuleType, studies_of: Callable) -> None:
    RadGraphPackage(model="radgraph").read(studies_of("A mass."))
    assert package.made == ["radgraph"]


def test_weights_for_other_reports_are_refused() -> None:
    with pytest.raises(ConfigError, match="no RadGraph model 'echograph' for chest radiographs"):
        RadGraphPackage(model="echograph")


def test_a_missing_package_is_told_with_what_to_install(
    studies_of: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "radgraph", None)
    with pytest.raises(ConfigError, match=r"pip install 'carina\[radgraph\]'"):
        RadGraphPackage().read(studies_of("A mass."))


def test_weights_that_cannot_be_had_are_told(
    package: ModuleType, studies_of: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(model_type: str) -> None:
        raise OSError("no route to the hub")

    monkeypatch.setattr(package, "RadGraph", offline)
    with pytest.raises(AnnotationError, match=r"could not load radgraph-xl .*no route to the hub"):
        RadGraphPackage().read(studies_of("A mass."))
