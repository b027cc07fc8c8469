"""Score tables show the numbers they were given."""

import xml.etree.ElementTree as ET

from carina.pages.measured import Measured, format_measured
from carina.pages.table import TableRow, metric_name, score_table


def table_of(*rows: TableRow, mean: dict[str, Measured] | None = None) -> ET.Element:
    return ET.fromstring(
        score_table(
            "what & why",
            "finding",
            ["positive"] if any(row.counts for row in rows) else [],
            rows,
            mean,
        )
    )


EDEMA = TableRow(
    name="edema",
    counts=(1234,),
    values={
        "auc": Measured(value=0.91237, low=0.8846, high=0.9351),
        "average_precision": Measured(value=None, reason="no positive"),
    },
)


def test_cells_show_value_and_interval() -> None:
    cells = [" ".join(cell.itertext()) for cell in table_of(EDEMA).iter("td")]
    assert cells == ["1,234", "0.912 0.885 to 0.935", "– no positive"]


def test_a_reason_is_written_once_a_row_and_again_where_another_came_between() -> None:
    bare, few = (Measured(value=None, reason=reason) for reason in ("no threshold", "no image"))
    values = {"mcc": bare, "f1": bare, "auc": Measured(value=0.5), "iou": bare, "dice": few}
    rows = [TableRow(name=name, counts=(), values=values) for name in ("edema", "hernia")]
    for row in table_of(*rows).findall(".//tbody/tr"):
        cells = [("".join(td.itertext()), td.get("title")) for td in row.findall("td")]
        assert cells == [
            ("–no threshold", None),
            ("–", "no threshold"),
            ("0.500", None),
            ("–", "no threshold"),
            ("–no image", None),
        ]


def test_cells_sort_by_value_and_undefined_ones_by_nothing() -> None:
    assert [c.get("data-sort") for c in table_of(EDEMA).iter("td")] == ["1234", "0.91237", ""]


def test_heads_are_scoped_and_named_as_people_write_them() -> None:
    table = table_of(EDEMA)
    heads = [(e.text, e.get("scope")) for e in table.iter("th")]
    assert heads == [
        ("finding", "col"),
        ("positive", "col"),
        ("AUC", "col"),
        ("average precision", "col"),
        ("edema", "row"),
    ]
    caption = table.find(".//caption")
    assert caption is not None
    assert caption.text == "what & why"


def test_a_metric_that_a_row_lacks_is_an_empty_cell() -> None:
    other = TableRow(name="hernia", counts=(3,), values={"mcc": Measured(value=0.5)})
    rows = table_of(EDEMA, other).findall(".//tbody/tr")
    assert [["".join(td.itertext()) for td in row.findall("td")] for row in rows][1] == [
        "3",
        "",
        "",
        "0.500",
    ]


def test_the_mean_stands_below_its_own_column() -> None:
    table = table_of(EDEMA, mean={"auc": Measured(value=0.5)})
    foot = ["".join(td.itertext()) for td in table.findall(".//tfoot/tr/td")]
    assert foot == ["", "0.500", ""]


def test_names_of_findings_are_escaped() -> None:
    row = TableRow(name='<b>"edema"</b>', counts=(1,), values={"auc": Measured(value=1)})
    name = table_of(row).find(".//tbody/tr/th")
    assert name is not None
    assert name.text == '<b>"edema"</b>'
    assert name.get("data-sort") == '<b>"edema"</b>'


def test_a_measured_number_is_written_with_its_interval_or_reason() -> None:
    assert format_measured(Measured(value=0.5, low=0.25, high=0.75), 2) == "0.50 (0.25 to 0.75)"
    assert format_measured(Measured(value=0.5)) == "0.500"
    assert format_measured(Measured(value=None, reason="no negative")) == "undefined (no negative)"
    assert format_measured(Measured(value=float("nan"))) == "undefined"


def test_negative_values_have_a_true_minus_sign_and_still_sort() -> None:
    measured = Measured(value=-0.25, low=-0.5, high=0.125)
    assert format_measured(measured) == "−0.250 (−0.500 to 0.125)"
    (cell,) = table_of(TableRow(name="mass", counts=(), values={"mcc": measured})).iter("td")
    assert "".join(cell.itertext()) == "−0.250−0.500 to 0.125"
    assert cell.get("data-sort") == "-0.25"


def test_unknown_metrics_lose_their_underscores() -> None:
    assert metric_name("calibration_error") == "calibration error"
