"""The manifest: what is written is what is read, and what cannot be right is refused."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import ManifestError, OutputError
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.schema import COLUMNS
from carina.study import (
    Assertion,
    Box,
    Change,
    Entity,
    EntityKind,
    Finding,
    Mask,
    Radiograph,
    Report,
    Severity,
    Study,
    Triplet,
)

# The checks of types draw places in lists with `random` while a study is built.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the .random. module")

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
maybe = st.none() | words
assertions = st.sampled_from(Assertion)
numbers = st.floats(-1e6, 1e6)
counts = st.integers(0, 10_000)
pixels = st.none() | st.integers(1, 10_000)


def tuples(items: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(items, max_size=3).map(tuple)


entities = st.builds(
    Entity,
    name=words,
    text=words,
    kind=st.sampled_from(EntityKind),
    assertion=assertions,
    start=counts,
    end=counts,
    section=maybe,
    place=maybe,
    severity=maybe,
    change=st.none() | st.sampled_from(Change),
)
triplets = st.builds(Triplet, entity=words, position=words, exists=assertions)
reports = st.builds(
    Report,
    text=words,
    entities=st.none() | tuples(entities),
    triplets=st.none() | tuples(triplets),
    distilled=maybe,
)
studies = st.builds(
    Study,
    study_id=st.just(""),  # numbered below: ids must differ
    patient_id=words.filter(bool),  # an empty one is refused
    source=words,
    radiographs=tuples(st.builds(Radiograph, path=words, view=maybe, width=pixels, height=pixels)),
    report=reports,
    findings=tuples(st.builds(Finding, name=words, value=assertions)),
    boxes=tuples(
        st.builds(
            Box,
            radiograph=counts,
            label=words,
            x1=numbers,
            y1=numbers,
            x2=numbers,
            y2=numbers,
            phrase=maybe,
            reader=maybe,
        )
    ),
    masks=tuples(st.builds(Mask, radiograph=counts, label=words, path=words, reader=maybe)),
    severity=tuples(st.builds(Severity, name=words, value=numbers, reader=maybe)),
    split=st.sampled_from([None, "train", "validate", "test"]),
    sex=st.sampled_from([None, "M", "F", "O"]),
    age_years=st.none() | st.floats(0, 120),
    licence=maybe,
)
cohorts = st.lists(studies, min_size=1, max_size=5).map(
    lambda cohort: [replace(study, study_id=str(i)) for i, study in enumerate(cohort)]
)

STUDY = Study(
    study_id="s1",
    patient_id="p1",
    source="here",
    radiographs=(Radiograph(path="a.png", view="PA", width=4, height=5),),
    findings=(Finding(name="effusion", value=Assertion.ABSENT),),
    split="train",
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifest") / "m.parquet"


@given(cohort=cohorts)
def test_what_is_written_is_read_again(cohort: list[Study], path: Path) -> None:
    written = write_manifest(cohort, path, path.parent)
    read = Manifest.read(path)
    assert read.studies == tuple(cohort) == written.studies
    assert read.digest == written.digest
    assert len(read) == len(cohort)


def test_any_parquet_tool_finds_the_columns_of_the_design(tmp_path: Path) -> None:
    write_manifest([STUDY], tmp_path / "m.parquet", tmp_path)
    frame = pl.read_parquet(tmp_path / "m.parquet")
    assert frame.columns == [
        *("study_id", "patient_id", "split", "source", "report", "radiographs", "findings"),
        *("boxes", "masks", "severity", "sex", "age", "licence"),
    ]
    assert frame["findings"].to_list() == [[{"name": "effusion", "value": "absent"}]]
    assert frame["radiographs"].to_list()[0][0]["width"] == 4


def test_annotation_columns_are_there_once_a_report_is_annotated(tmp_path: Path) -> None:
    read = replace(STUDY, study_id="s2", report=Report(text="Clear.", entities=()))
    write_manifest([STUDY, read], tmp_path / "m.parquet", tmp_path)
    assert pl.read_parquet(tmp_path / "m.parquet")["entities"].to_list() == [None, []]
    assert "triplets" not in pl.read_parquet(tmp_path / "m.parquet").columns


def test_entities_written_before_there_was_a_change_are_read_without_one(tmp_path: Path) -> None:
    entity = Entity(
        name="edema",
        text="Edema",
        kind=EntityKind.OBSERVATION,
        assertion=Assertion.PRESENT,
        start=0,
        end=5,
        change=Change.NEW,
    )
    said = replace(STUDY, report=Report(text="Edema.", entities=(entity,)))
    silent = replace(STUDY, study_id="s2", report=Report(text="Clear.", entities=()))
    unread = replace(STUDY, study_id="s3")
    path = tmp_path / "m.parquet"
    write_manifest([said, silent, unread], path, tmp_path)
    frame = pl.read_parquet(path)
    fields = [field for field in frame.schema["entities"].inner.fields if field.name != "change"]
    frame.with_columns(
        pl.col("entities").list.eval(
            pl.struct(*(pl.element().struct.field(field.name) for field in fields))
        )
    ).write_parquet(path)
    old = replace(said, report=replace(said.report, entities=(replace(entity, change=None),)))
    assert Manifest.read(path).studies == (old, silent, unread)


def test_the_root_moves_along_with_a_manifest_that_lies_in_it(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    write_manifest([STUDY], before / "lists" / "m.parquet", before)
    before.rename(after)
    manifest = Manifest.read(after / "lists" / "m.parquet")
    assert manifest.absolute("a.png").resolve() == (after / "a.png").resolve()


def test_a_root_elsewhere_is_remembered_and_the_caller_has_the_last_word(tmp_path: Path) -> None:
    data, lists = tmp_path / "data", tmp_path / "lists"
    write_manifest([STUDY], lists / "m.parquet", data)
    (lists / "m.parquet").rename(tmp_path / "m.parquet")
    assert Manifest.read(tmp_path / "m.parquet").root == data
    assert Manifest.read(tmp_path / "m.parquet", lists).absolute("a.png") == lists / "a.png"


def test_the_name_of_the_dataset_is_remembered_by_the_file_its_parts_and_other_studies(
    tmp_path: Path,
) -> None:
    write_manifest([replace(STUDY, split="test")], tmp_path / "m.parquet", tmp_path, "rsna-mgca")
    read = Manifest.read(tmp_path / "m.parquet")
    assert read.dataset == read.split("test").dataset == "rsna-mgca"
    assert read.with_studies(read.studies).dataset == "rsna-mgca"
    write_manifest([STUDY], tmp_path / "own.parquet", tmp_path)
    assert Manifest.read(tmp_path / "own.parquet").dataset is None


def test_a_manifest_of_another_tool_starts_at_its_own_folder(tmp_path: Path) -> None:
    write_manifest([STUDY], tmp_path / "m.parquet", tmp_path)
    pl.read_parquet(tmp_path / "m.parquet").write_parquet(tmp_path / "plain.parquet")
    assert Manifest.read(tmp_path / "plain.parquet").root == tmp_path


def test_narrow_types_empty_columns_and_columns_of_ones_own_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest([STUDY], path, tmp_path)
    frame = pl.read_parquet(path).with_columns(
        pl.col("split").cast(pl.Categorical),
        pl.col("age").cast(pl.Null),
        pl.lit(3).cast(pl.Int32).alias("beds"),
    )
    frame.write_parquet(path)
    assert Manifest.read(path).studies == (STUDY,)


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    one = write_manifest([STUDY], tmp_path / "one.parquet", tmp_path)
    two = write_manifest([STUDY], tmp_path / "b" / "two.parquet", tmp_path / "c")
    other = write_manifest([replace(STUDY, sex="F")], tmp_path / "three.parquet", tmp_path)
    assert one.digest == two.digest != other.digest
    assert Manifest.read(tmp_path / "one.parquet").with_studies([STUDY]).digest == one.digest


def test_a_split_holds_its_studies_in_order(tmp_path: Path) -> None:
    cohort = [
        replace(STUDY, study_id=str(i), split=split)
        for i, split in enumerate(["train", "test", None, "train"])
    ]
    write_manifest(cohort, tmp_path / "m.parquet", tmp_path)
    manifest = Manifest.read(tmp_path / "m.parquet")
    assert manifest.split("train").studies == (cohort[0], cohort[3])
    assert manifest.studies == tuple(cohort)
    assert manifest.split("test").studies == (cohort[1],)
    assert len(manifest.split("train")) == 2


def test_a_split_without_studies_is_refused_with_those_there_are(tmp_path: Path) -> None:
    manifest = write_manifest([STUDY], tmp_path / "m.parquet", tmp_path)
    with pytest.raises(ManifestError, match="'test'; splits found: train"):
        manifest.split("test")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no such file"):
        Manifest.read(tmp_path / "m.parquet")


@pytest.mark.parametrize("content", [b"", b"image,report\na.png,Clear.\n", b"PAR1" * 9])
def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.parquet").write_bytes(content)
    with pytest.raises(ManifestError, match="is not a Parquet file, or is damaged"):
        Manifest.read(tmp_path / "m.parquet")


def test_a_truncated_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest([STUDY], path, tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ManifestError, match="is damaged"):
        Manifest.read(path)


def test_missing_columns_and_fields_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest([STUDY], path, tmp_path)
    frame = pl.read_parquet(path).drop("report", "sex")
    finding = pl.element().struct.field("name")
    frame.with_columns(pl.col("findings").list.eval(pl.struct(finding))).write_parquet(path)
    with pytest.raises(ManifestError, match=r"missing: report, sex, findings\.value\."):
        Manifest.read(path)


@pytest.mark.parametrize(
    ("column", "values"),
    [("report", [1]), ("age", ["old"]), ("boxes", ["[]"]), ("radiographs", [["a.png"]])],
)
def test_columns_of_a_wrong_type_are_refused(tmp_path: Path, column: str, values: list) -> None:
    path = tmp_path / "m.parquet"
    write_manifest([STUDY], path, tmp_path)
    pl.read_parquet(path).with_columns(pl.Series(column, values)).write_parquet(path)
    with pytest.raises(ManifestError, match=f"cannot be used: {column} is "):
        Manifest.read(path)


def test_words_outside_their_list_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest([STUDY], path, tmp_path)
    frame = pl.read_parquet(path)
    frame.with_columns(split=pl.lit("val")).write_parquet(path)
    with pytest.raises(ManifestError, match="split holds val; expected one of train, validate"):
        Manifest.read(path)
    findings = pl.Series([[{"name": "edema", "value": "likely"}]])
    frame.with_columns(findings=findings).write_parquet(path)
    with pytest.raises(ManifestError, match=r"findings\.value holds likely; expected one of pres"):
        Manifest.read(path)


def test_a_manifest_without_studies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no studies"):
        write_manifest([], tmp_path / "m.parquet", tmp_path)
    pl.DataFrame(schema=COLUMNS).write_parquet(tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match="holds no studies"):
        Manifest.read(tmp_path / "m.parquet")


def test_a_study_named_twice_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="1 studies are named more than once, such as s1"):
        write_manifest([STUDY, STUDY], tmp_path / "m.parquet", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_without_an_id_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest([STUDY], path, tmp_path)
    pl.read_parquet(path).with_columns(patient_id=pl.lit(None)).write_parquet(path)
    with pytest.raises(ManifestError, match="1 rows have no patient_id"):
        Manifest.read(path)


@pytest.mark.parametrize(
    ("column", "field"),
    [("radiographs", "path"), ("findings", "name"), ("boxes", "x1"), ("masks", "path")],
)
def test_items_that_lack_what_they_must_have_are_refused(
    tmp_path: Path, column: str, field: str
) -> None:
    path = tmp_path / "m.parquet"
    box = Box(radiograph=0, label="mass", x1=0.0, y1=0.0, x2=9.0, y2=9.0)
    mask = Mask(radiograph=0, label="lung", path="lung.png")
    write_manifest([replace(STUDY, boxes=(box,), masks=(mask,))], path, tmp_path)
    frame = pl.read_parquet(path)
    items = frame[column].to_list()
    items[0][0][field] = None
    frame.with_columns(pl.Series(column, items, dtype=frame.schema[column])).write_parquet(path)
    with pytest.raises(ManifestError, match=rf"1 items of {column} have no {field}, .* study s1"):
        Manifest.read(path)


def test_an_empty_id_is_none(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="1 rows have no patient_id"):
        write_manifest([replace(STUDY, patient_id="")], tmp_path / "m.parquet", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        write_manifest([STUDY], tmp_path / "m.parquet", tmp_path)


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_manifest([STUDY], tmp_path / "file" / "m.parquet", tmp_path)


def test_a_full_disk_leaves_the_manifest_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_manifest([STUDY], tmp_path / "m.parquet", tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        write_manifest([replace(STUDY, study_id="s2")], tmp_path / "m.parquet", tmp_path)
    assert Manifest.read(tmp_path / "m.parquet").studies == (STUDY,)
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is a folder, .* such as .*films\.parquet"):
        write_manifest([STUDY], tmp_path, tmp_path)
    with pytest.raises(ManifestError, match="is a folder, expected a manifest"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("name", ["films.csv", "films.CSV", "films.json"])
def test_a_name_that_promises_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"is written as Parquet\. Call it .*\.parquet"):
        write_manifest([STUDY], tmp_path / name, tmp_path)
    assert not list(tmp_path.iterdir())
