import json
from dataclasses import replace
from pathlib import Path

import pytest

from carina.annotation.annotate import annotate_manifest
from carina.annotation.compare import COLUMNS, Agreement, compare_sources, labels
from carina.annotation.registry import make_pair
from carina.annotation.rules import Rules
from carina.annotation.source import Reading
from carina.annotation.written import WrittenEntities
from carina.errors import AnnotationError, ConfigError
from carina.studies.manifest import write_manifest
from carina.study import Assertion, Entity, EntityKind

PRESENT, ABSENT, UNCERTAIN = Assertion.PRESENT, Assertion.ABSENT, Assertion.UNCERTAIN
NAMES = ("ours", "theirs")


class Told:
    """A source that says what it is told, of the word "mass" in each report."""

    def __init__(self, *values: Assertion | str | None) -> None:
        self.values = values

    def read(self, studies) -> Reading:
        return Reading(
            entities=tuple(
                None if value == "unread" else mass(study, value)
                for study, value in zip(studies, self.values, strict=True)
            )
        )


def mass(study, value: Assertion | None) -> tuple[Entity, ...]:
    start = study.report.text.find("mass")
    if value is None:
        return ()
    return (
        Entity(
            name="mass",
            text="mass",
            kind=EntityKind.OBSERVATION,
            assertion=value,
            start=start,
            end=start + 4,
        ),
    )


def counts(row: Agreement) -> dict[str, int]:
    return dict(zip(COLUMNS, row.counts, strict=True))


def test_reports_are_counted_by_what_both_say(manifest_of) -> None:
    first = Told(PRESENT, PRESENT, PRESENT, None, UNCERTAIN, ABSENT, UNCERTAIN, None, "unread")
    second = Told(PRESENT, None, ABSENT, PRESENT, PRESENT, None, UNCERTAIN, None, PRESENT)
    texts = [f"A mass of {i} cm." for i in range(9)]
    result = compare_sources(manifest_of(*texts), NAMES, (first, second))
    assert (result.studies, result.unread) == (8, 1)
    row = next(row for row in result.observations if row.name == "mass")
    assert counts(row) == {
        "both present": 1,
        "only first": 1,
        "only second": 1,
        "opposite": 1,
        "doubt": 1,
        "denial": 1,
    }
    assert (row.same, row.different) == (2, 5)


def test_kappa_equals_the_value_worked_by_hand(manifest_of) -> None:
    # Present or not mentioned: 2 both, 1 only first, 0 only second, 1 neither. Observed 3/4;
    # by chance 3/4 * 2/4 + 1/4 * 2/4 = 1/2; kappa = (3/4 - 1/2) / (1 - 1/2) = 1/2.
    first, second = Told(PRESENT, PRESENT, PRESENT, None), Told(PRESENT, PRESENT, None, None)
    manifest = manifest_of(*(f"{i} mass." for i in range(4)))
    result = compare_sources(manifest, NAMES, (first, second))
    row = next(row for row in result.observations if row.name == "mass")
    assert row.kappa == pytest.approx(0.5)
    assert row.low is not None
    assert row.high is not None
    assert row.low <= 0.5 <= row.high


def test_full_agreement_on_one_value_has_no_kappa(manifest_of) -> None:
    told = Told(PRESENT, PRESENT)
    result = compare_sources(manifest_of("mass", "a mass"), NAMES, (told, told))
    assert [row.kappa for row in result.observations if row.name == "mass"] == [None]
    assert result.examples == ()


def test_examples_quote_the_sentence_that_says_so(manifest_of) -> None:
    text = "FINDINGS: Clear lungs. There is a\n mass. No effusion.\nIMPRESSION: As above."
    result = compare_sources(manifest_of(text), NAMES, (Told(PRESENT), Told(ABSENT)))
    example = next(e for e in result.examples if e.observation == "mass")
    assert (example.study_id, example.first, example.second) == ("s0", PRESENT, ABSENT)
    assert example.sentences == ("There is a mass.",)


def test_page_and_json_are_written_and_escape_the_reports(manifest_of, tmp_path: Path) -> None:
    manifest = manifest_of("A <b>mass</b> & more.")
    compare_sources(manifest, NAMES, (Told(PRESENT), Told(None))).save(tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "A &lt;b&gt;mass&lt;/b&gt; &amp; more." in page
    assert "This page quotes reports." in page
    assert "src=" not in page
    plain = json.loads((tmp_path / "out" / "comparison.json").read_text())
    row = next(row for row in plain["observations"] if row["name"] == "mass")
    assert row["counts"]["only first"] == 1
    assert plain["values"] == ["not mentioned", "present", "absent", "uncertain"]
    assert row["table"][1][0] == 1


def test_reports_that_one_did_not_read_are_left_out(manifest_of) -> None:
    with pytest.raises(AnnotationError, match="no report was read by both ours and theirs"):
        compare_sources(manifest_of("mass"), NAMES, (Told("unread"), Told(PRESENT)))


# ------------------------------------------------------------------ annotated manifests


def test_two_annotated_manifests_are_compared_by_study(manifest_of, tmp_path: Path) -> None:
    manifest = manifest_of("A mass.", "No mass.", "An effusion.")
    done = annotate_manifest(manifest, Rules()).studies
    other = replace(done[0], report=replace(done[0].report, text="A new text. A mass."))
    path = write_manifest((other, done[1]), tmp_path / "other.parquet", tmp_path).path
    reading = WrittenEntities(manifest=path).read(done)
    assert reading.entities == (None, done[1].report.entities, None)
    assert {(p.reason, p.examples) for p in reading.problems} == {
        ("studies with another report in other.parquet", ("s0",)),
        ("studies that other.parquet does not have", ("s2",)),
    }


def test_a_manifest_without_entities_is_refused(manifest_of) -> None:
    manifest = manifest_of("A mass.")
    with pytest.raises(AnnotationError, match="holds no entities, expected an annotated manifest"):
        WrittenEntities(manifest=manifest.path).read(manifest.studies)


def test_a_pair_is_made_of_names_and_files(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").touch()
    first, second = make_pair((str(tmp_path / "a.parquet"), "rules"), {"processes": 2}, {})
    assert first == WrittenEntities(manifest=tmp_path / "a.parquet")
    assert second == Rules(processes=2)
    with pytest.raises(ConfigError, match="'magic' is neither a source of entities"):
        make_pair(("rules", "magic"), {}, {})


def test_files_go_by_their_names_where_these_differ() -> None:
    assert labels(("runs/a.parquet", "umls")) == ("a.parquet", "umls")
    assert labels(("x/a.parquet", "y/a.parquet")) == ("x/a.parquet", "y/a.parquet")


def test_options_of_no_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--model is no option of rules, which take --lexicon"):
        make_pair(("rules", "rules"), {"model": "x"}, {})
    (tmp_path / "a.parquet").touch()
    file = str(tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="no option of annotated manifests, which take none"):
        make_pair((file, file), {"model": "x"}, {})
