import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from carina.annotation.annotate import (
    BY_RULES,
    ObservationCount,
    annotate_manifest,
    annotated_report,
    summarise,
)
from carina.annotation.places import placed
from carina.annotation.rules import Rules
from carina.annotation.source import Reading
from carina.errors import ConfigError, ReportError
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.studies.manifest import Manifest, write_manifest
from carina.study import Assertion, Entity, EntityKind, Finding, Radiograph, Report, Study, Triplet

TEXTS = ("No effusion. Mass.", "", "Nothing of note.", "Effusion.")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    studies = [
        Study(
            study_id=f"s{i}",
            patient_id=f"p{i}",
            source="test",
            radiographs=(Radiograph(path=f"{i}.png"),),
            report=Report(text=text),
            findings=(Finding(name="mass", value=Assertion.ABSENT),),
        )
        for i, text in enumerate(TEXTS)
    ]
    return write_manifest(studies, tmp_path / "m.parquet", tmp_path)


def test_reports_are_filled_and_the_findings_of_the_source_stay(manifest: Manifest) -> None:
    studies = annotate_manifest(manifest, Rules()).studies
    assert [[e.name for e in s.report.entities or ()] for s in studies] == [
        ["pleural effusion", "mass"],
        [],
        [],
        ["pleural effusion"],
    ]
    assert studies[1].report.entities == ()
    assert [s.findings for s in studies] == [s.findings for s in manifest.studies]


def test_every_read_report_gets_triplets(manifest: Manifest) -> None:
    studies = annotate_manifest(manifest, Rules()).studies
    assert [s.report.triplets for s in studies] == [
        (
            Triplet(entity="pleural effusion", position="pleural", exists=Assertion.ABSENT),
            Triplet(entity="mass", position="unspecified", exists=Assertion.PRESENT),
        ),
        (),
        (),
        (Triplet(entity="pleural effusion", position="pleural", exists=Assertion.PRESENT),),
    ]


@dataclass(frozen=True, kw_only=True)
class NamesOnly:
    """A source that finds the word "opacity" and says nothing of places."""

    def read(self, studies: Sequence[Study]) -> Reading:
        return Reading(entities=tuple(map(self.entities, studies)))

    def entities(self, study: Study) -> tuple[Entity, ...]:
        return tuple(
            Entity(
                name="opacity",
                text=found.group(),
                kind=EntityKind.OBSERVATION,
                assertion=Assertion.PRESENT,
                start=found.start(),
                end=found.end(),
            )
            for found in re.finditer("opacity", study.report.text)
        )


def test_a_source_without_places_gets_those_of_the_rules(
    manifest: Manifest, tmp_path: Path
) -> None:
    text = "Right base opacity. An opacity. Opacity and opacity in both apices."
    studies = tuple(replace(s, report=Report(text=text)) for s in manifest.studies)
    write_manifest(studies, tmp_path / "places.parquet", tmp_path)
    done = annotate_manifest(Manifest.read(tmp_path / "places.parquet"), NamesOnly())
    entities = done.studies[0].report.entities or ()
    assert [e.place for e in entities] == ["right base", None, "bilateral apex"]
    places = [t.position for t in done.studies[0].report.triplets or ()]
    assert places == ["right base", "left apex", "right apex"]
    assert done.remarks == (BY_RULES,)


def test_an_entity_over_two_of_the_rules_is_at_both_places() -> None:
    text = "Moderate right and small left effusions."
    read = RuleExtractor(Lexicon.default()).extract(text)
    whole = replace(read[-1], place=None, start=0, end=len(text))
    assert [e.place for e in placed([whole], read)] == ["right pleural", "left pleural"]


def test_a_report_that_was_not_read_has_no_triplets_rather_than_none_found() -> None:
    report = annotated_report(Report(text="Effusion."), None)
    assert report.entities is None
    assert report.triplets is None


def test_annotated_studies_survive_the_manifest(manifest: Manifest, tmp_path: Path) -> None:
    studies = annotate_manifest(manifest, Rules()).studies
    write_manifest(studies, tmp_path / "out.parquet", tmp_path)
    assert Manifest.read(tmp_path / "out.parquet").studies == studies


def test_processes_do_not_change_the_result(manifest: Manifest) -> None:
    assert annotate_manifest(manifest, Rules(processes=2)) == annotate_manifest(manifest, Rules())


def test_the_summary_counts_reports(manifest: Manifest) -> None:
    summary = summarise(annotate_manifest(manifest, Rules()).studies)
    counts = (summary.studies, summary.empty, summary.unread, summary.silent, summary.entities)
    assert counts == (4, 1, 0, 1, 3)
    assert (summary.triplets, summary.untold) == (3, 2)
    assert summary.observations[0] == ObservationCount(
        name="pleural effusion", present=1, absent=1, uncertain=0
    )


def test_terms_of_the_users_are_found(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('["of note"]\n')
    extractor = Rules(lexicon=tmp_path / "ours.toml").make()
    assert [e.name for e in extractor.extract(TEXTS[2])] == ["of note"]


def test_less_than_one_process_is_refused(manifest: Manifest) -> None:
    with pytest.raises(ConfigError, match="processes must be at least 1, got 0"):
        annotate_manifest(manifest, Rules(processes=0))


def test_a_missing_lexicon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"none\.toml"):
        Rules(lexicon=tmp_path / "none.toml").make()
