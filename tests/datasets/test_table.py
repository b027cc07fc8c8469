"""Tables as people keep them."""

import logging
from pathlib import Path

import pytest

from carina.datasets.table import read_table
from carina.errors import DatasetError


def table(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(path: Path) -> list[tuple[int, dict[str, str]]]:
    return [(row.number, dict(row.cells)) for row in read_table(path).rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_usual_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    path = table(tmp_path, "image,report\na.png,37.9 °C\n".encode(encoding))
    assert cells(path) == [(2, {"image": "a.png", "report": "37.9 °C"})]


def test_another_encoding_than_utf_8_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        cells(table(tmp_path, "image\nä.png\n".encode("cp1252")))
    assert "read as Windows-1252" in caplog.text


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_usual_separators_and_line_ends_are_read(tmp_path: Path, separator: str, end: str) -> None:
    path = table(tmp_path, end.join([f"a{separator}b", f"1{separator}2", ""]))
    assert cells(path) == [(2, {"a": "1", "b": "2"})]


def test_quoted_text_may_hold_line_breaks_quotes_and_separators(tmp_path: Path) -> None:
    path = table(tmp_path, 'a,b\n"one\ntwo, ""three""",4\n\n5,6\n')
    assert cells(path) == [
        (2, {"a": 'one\ntwo, "three"', "b": "4"}),
        (4, {"a": "5", "b": "6"}),
    ]


def test_separators_without_a_cell_at_the_end_of_a_line_are_no_columns(tmp_path: Path) -> None:
    assert cells(table(tmp_path, "a,b,,,\n1,2\n3,,\n5,6,,,\n")) == [
        (2, {"a": "1", "b": "2"}),
        (3, {"a": "3", "b": ""}),
        (4, {"a": "5", "b": "6"}),
    ]


def test_a_report_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    text = "effusion " * 1_200_000
    assert cells(table(tmp_path, f'a\n"{text}"\n'))[0][1]["a"] == text


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be read \(No such file"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("content", ["", "\n", " , \n"])
def test_an_empty_table_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DatasetError, match="is empty; expected a header"):
        read_table(table(tmp_path, content))


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no text"):
        read_table(table(tmp_path, b"PK\x03\x04\x00\x00"))


def test_bytes_of_no_encoding_are_refused_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="byte 6 is neither UTF-8 nor cp1252"):
        read_table(table(tmp_path, b"image\n\x81\n"))


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="names 'image' more than once"):
        read_table(table(tmp_path, "image, image\n"))


@pytest.mark.parametrize("row", ["1", "1,2,3"])
def test_a_row_of_another_length_is_named(tmp_path: Path, row: str) -> None:
    count = row.count(",") + 1
    with pytest.raises(DatasetError, match=f"row 3: found {count} cells, expected 2"):
        cells(table(tmp_path, f"a,b\n1,2\n{row}\n"))


@pytest.mark.parametrize("text", ['"open', '"a"b'])
def test_quotes_that_do_not_match_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError, match=r"row 3: .*Quotes inside quoted text are doubled"):
        cells(table(tmp_path, f"a\n1\n{text}\n"))


def test_a_header_with_open_quotes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"row 1: .*Correct the quotes of the header"):
        read_table(table(tmp_path, '"a'))
