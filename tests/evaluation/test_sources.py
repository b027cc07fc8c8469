"""Drawn radiographs are told from those of patients."""

from carina.evaluation.sources import has_synthetic, sources_of
from carina.study import Report, Study


def study(source: str, licence: str | None) -> Study:
    return Study(
        study_id="s",
        patient_id="p",
        source=source,
        licence=licence,
        radiographs=(),
        report=Report(text=""),
    )


def test_sources_say_which_of_them_were_drawn() -> None:
    mixed = [study("nih", "CC0"), study("siim", "synthetic"), study("phantom", "synthetic")]
    assert sources_of(mixed) == ["nih", "phantom", "phantom as siim"]
    assert has_synthetic({"sources": sources_of(mixed)})
    assert not has_synthetic({"sources": sources_of(mixed[:1])})
    assert not has_synthetic({})
