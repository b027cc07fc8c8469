"""Readers measured by label files alone, and a model against them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from carina.cli.main import main
from carina.datasets.chexpert_layout import LABELS
from carina.errors import DatasetError, EvaluationError
from carina.evaluation.readers import (
    MEAN,
    READERS_MEAN,
    contrast_with_readers,
    measure_readers,
    read_decisions,
)
from carina.evaluation.result import Evaluation, Score

FINDINGS = ("Atelectasis", "Edema")
STUDIES = 8
TRUTH = {"Atelectasis": "11110000", "Edema": "11000000"}
# Atelectasis: 3 of 4 present and 3 of 4 absent are right: MCC (9 - 1) / 16 = 0.5, F1 6 / 8 = 0.75.
# Edema: perfect. Means over the two: MCC 0.75, F1 0.875.
FIRST = {"Atelectasis": "11101000", "Edema": "11000000"}
# Atelectasis: perfect. Edema: one of two found, nothing else: MCC of TP 1, FN 1, TN 6, FP 0 is
# 6 / sqrt(1 * 2 * 6 * 7) = 0.654654, F1 2 / 3.
SECOND = {"Atelectasis": "11110000", "Edema": "10000000"}


def label_file(path: Path, said: dict[str, str], reverse: bool = False) -> Path:
    """A label file of CheXpert's form; `reverse` turns columns and rows round."""
    columns = list(LABELS)[::-1] if reverse else list(LABELS)
    rows = [
        ",".join(
            [
                f"CheXpert-v1.0/test/patient{70000 + i}/study1",
                *(said.get(c, "0" * STUDIES)[i] for c in columns),
            ]
        )
        for i in range(STUDIES)
    ]
    lines = [",".join(["Study", *columns]), *(rows[::-1] if reverse else rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, list[Path]]:
    truth = label_file(tmp_path / "groundtruth.csv", TRUTH)
    first = label_file(tmp_path / "bc4.csv", FIRST, reverse=True)
    return truth, [first, label_file(tmp_path / "bc6.csv", SECOND)]


def test_readers_reach_what_is_worked_by_hand_whatever_the_order_of_columns_and_rows(
    files: tuple[Path, list[Path]],
) -> None:
    found = measure_readers(read_decisions(*files, FINDINGS), replicates=50).readers
    assert found["bc4"]["Atelectasis"]["mcc"].value == pytest.approx(0.5)
    assert found["bc4"]["Atelectasis"]["f1"].value == pytest.approx(0.75)
    assert found["bc4"][MEAN]["mcc"].value == pytest.approx(0.75)
    assert found["bc6"]["Edema"]["mcc"].value == pytest.approx(0.654654, abs=1e-6)
    assert found[READERS_MEAN]["Atelectasis"]["f1"].value == pytest.approx((0.75 + 1) / 2)
    both = (0.5 + 1 + 1 + 0.654654) / 4
    assert found[READERS_MEAN][MEAN]["mcc"].value == pytest.approx(both, abs=1e-6)
    low, high = (getattr(found[READERS_MEAN][MEAN]["mcc"], end) for end in ("low", "high"))
    assert low is not None
    assert high is not None
    assert low <= both <= high


def test_a_reader_without_an_error_may_have_been_lucky(tmp_path: Path) -> None:
    truth = label_file(tmp_path / "groundtruth.csv", TRUTH)
    decisions = read_decisions(truth, [label_file(tmp_path / "one.csv", TRUTH)], FINDINGS)
    score = measure_readers(decisions, replicates=50).readers["one"]["Atelectasis"]["mcc"]
    assert (score.value, score.high) == pytest.approx((1.0, 1.0))
    assert score.low is not None
    assert 0 < score.low < 0.9  # four of four and four of four prove little


def test_readers_of_other_studies_names_twice_and_unknown_findings_are_refused(
    files: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    truth, readers = files
    short = tmp_path / "bc8.csv"
    short.write_text("\n".join(readers[1].read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(
        EvaluationError, match=r"bc8.csv: lacks 1 of the 8 studies of the truth, and"
    ):
        read_decisions(truth, [short], FINDINGS)
    with pytest.raises(EvaluationError, match="expected one file or more, of names that differ"):
        read_decisions(truth, [readers[0], readers[0]], FINDINGS)
    with pytest.raises(EvaluationError, match="has no column 'Mass'; it has No Finding, Enl"):
        read_decisions(truth, readers, ("Mass",))
    unclear = label_file(tmp_path / "unclear.csv", {"Edema": "1u000000"})
    with pytest.raises(DatasetError, match=r"unclear\.csv, row 3, Edema: found 'u', expected 1 or"):
        read_decisions(truth, [unclear], FINDINGS)
    assert read_decisions(truth, [unclear], ("Atelectasis",)).findings == ("Atelectasis",)


def rewritten(path: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """The first reader's file with its lines changed, under another name."""
    lines = change(label_file(path, FIRST).read_text(encoding="utf-8").splitlines())
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    return path


def with_two_views(lines: list[str]) -> list[str]:
    """A table of radiographs: two of every study."""
    head, *rows = lines
    return [
        head.replace("Study", "Path"),
        *(row.replace("/study1", f"/study1/{view}") for row in rows for view in VIEWS),
    ]


VIEWS = ("view1_frontal.jpg", "view2_lateral.jpg")
FORMS: dict[str, Callable[[list[str]], list[str]]] = {
    "an index, as pandas writes it": lambda lines: [
        f"{'' if i == 0 else i - 1},{line}" for i, line in enumerate(lines)
    ],
    "numbers with a point": lambda lines: [
        re.sub(r",([01])(?=,|$)", r",\1.0", line) for line in lines
    ],
    "semicolons": lambda lines: [line.replace(",", ";") for line in lines],
    "names in lower case with underscores": lambda lines: [
        lines[0].lower().replace(" ", "_"),
        *lines[1:],
    ],
    "a column of remarks": lambda lines: [f'{line},"said, but"' for line in lines],
    "the small release": lambda lines: [line.replace("v1.0", "v1.0-small") for line in lines],
    "two asked findings alone": lambda lines: [
        ",".join(cells[i] for i in (0, 6, 9)) for cells in (line.split(",") for line in lines)
    ],
    "radiographs": with_two_views,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_reader_is_the_same_in_every_form_that_people_keep_label_files_in(
    form: str, files: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    truth, _ = files
    other = rewritten(tmp_path / "other.csv", FORMS[form])
    said = read_decisions(truth, [other], FINDINGS).readers["other"]
    assert said.T.tolist() == [[float(one) for one in FIRST[name]] for name in FINDINGS]


def test_files_that_are_cut_short_contradict_themselves_or_name_no_study_are_refused(
    files: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    truth, _ = files

    def refused(change: Callable[[list[str]], list[str]], error: type, message: str) -> None:
        with pytest.raises(error, match=message):
            read_decisions(truth, [rewritten(tmp_path / "odd.csv", change)], FINDINGS)

    refused(
        lambda lines: lines[:1], EvaluationError, r"odd\.csv: has no rows; expected one a study"
    )
    refused(lambda lines: [*lines, lines[1]], DatasetError, "study1 is listed a second time")
    refused(
        lambda lines: [lines[0].replace("Study", "Who"), *lines[1:]],
        EvaluationError,
        "has the columns Who, No Finding",
    )
    refused(
        lambda lines: [lines[0], *(row[row.index(",") :] for row in lines[1:])],
        DatasetError,
        "row 2, Study: is empty",
    )
    refused(
        lambda lines: [
            row.replace("lateral.jpg,0,0,0,0,0,1", "lateral.jpg,0,0,0,0,0,0")
            for row in with_two_views(lines)
        ],
        DatasetError,
        "row 3, Path: the labels differ from those of row 2, of the same study",
    )


def test_findings_are_asked_once_however_they_are_spelt(files: tuple[Path, list[Path]]) -> None:
    asked = read_decisions(*files, ("Edema", "Atelectasis", "edema")).findings
    assert asked == ("edema", "Atelectasis")


def evaluation(scores: dict[str, str], threshold: float | None = 0.5) -> Evaluation:
    """A model that gives each study the score 0 or 1, on two radiographs, the first always 0."""
    rows = [
        {
            "study": f"patient{70000 + i}_study1",
            "image": f"patient{70000 + i}/view{view}.jpg",
            "query": query,
            "score": float(said[i]) * view,
            "truth": int(TRUTH[query.title()][i]),
            "patient": f"patient{70000 + i}",
        }
        for query, said in scores.items()
        for i in range(STUDIES)
        for view in (0, 1)
    ]
    return Evaluation(
        task="zero-shot",
        model="m",
        data="d",
        split="test",
        studies=STUDIES,
        images=2 * STUDIES,
        positives=dict.fromkeys(scores, 4),
        findings={},
        mean={},
        thresholds=dict.fromkeys(scores, Score(value=threshold, reason="no validation part")),
        settings={},
        predictions=pl.DataFrame(rows),
    )


def study_ids(decisions_of: Path) -> set[str]:
    return set(read_decisions(decisions_of, [decisions_of], FINDINGS).studies)


def test_a_model_is_compared_with_the_mean_of_the_readers_study_by_study(
    files: tuple[Path, list[Path]],
) -> None:
    decisions = read_decisions(*files, FINDINGS)
    perfect = {"atelectasis": TRUTH["Atelectasis"], "edema": TRUTH["Edema"]}
    model = evaluation(perfect)
    assert study_ids(files[0]) == set(model.predictions["study"])
    found = contrast_with_readers(model, decisions, replicates=50)
    assert found.studies == STUDIES
    assert found.model[MEAN]["mcc"].value == pytest.approx(1.0)
    difference = found.difference["Edema"]["mcc"]
    assert difference.value == pytest.approx(1 - (1 + 0.654654) / 2, abs=1e-6)
    assert difference.low is not None
    assert difference.low >= 0


def test_a_model_that_decides_nothing_or_saw_other_studies_is_refused(
    files: tuple[Path, list[Path]],
) -> None:
    decisions = read_decisions(*files, FINDINGS)
    perfect = {"atelectasis": TRUTH["Atelectasis"], "edema": TRUTH["Edema"]}
    with pytest.raises(EvaluationError, match="has no threshold for 'atelectasis'"):
        contrast_with_readers(evaluation(perfect, None), decisions)
    with pytest.raises(EvaluationError, match="did not ask 'Edema'"):
        contrast_with_readers(evaluation({"atelectasis": TRUTH["Atelectasis"]}), decisions)
    elsewhere = evaluation(perfect)
    moved = elsewhere.predictions.with_columns(pl.col("study") + "x")
    with pytest.raises(EvaluationError, match="No study of the readers"):
        contrast_with_readers(Evaluation(**{**elsewhere.__dict__, "predictions": moved}), decisions)


def test_the_command_prints_readers_and_writes_json(
    files: tuple[Path, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, readers = files
    out = tmp_path / "readers.json"
    words = ["readers", str(truth), *map(str, readers), "--finding", "Edema", "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--replicates", "20"])
    assert ended.value.code == 0
    assert "mean of the readers" in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert told["readers"]["bc4"]["mean"]["f1"]["value"] == 1.0
    assert told["positives"] == {"Edema": 2}
