import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from carina.errors import ConfigError
from carina.losses.position import NO_CHOICE
from carina.pretraining.medklip_targets import (
    FrequentTriplets,
    LabelsOfFindings,
    LabelsOfTriplets,
    PaperTriplets,
    TripletMatrix,
    TripletTargets,
    drawn_choices,
    triplet_matrix,
)
from carina.pretraining.report_targets import default_extractor
from carina.report.triplets import TripletVocabulary
from carina.studies.batches import ImageBatch
from carina.study import Assertion, Entity, Triplet

LISTS = TripletVocabulary(
    entities=("effusion", "nodule", "edema", "mass"),
    positions=("left base", "right base", "apex", "unspecified", "other"),
)


def said(entity: str, position: str, exists: Assertion = Assertion.PRESENT) -> Triplet:
    return Triplet(entity=entity, position=position, exists=exists)


REPORTS = (
    (
        said("effusion", "left base"),
        said("effusion", "right base"),
        said("nodule", "apex", Assertion.ABSENT),
        said("edema", "apex", Assertion.UNCERTAIN),
    ),
    (
        said("nodule", "apex", Assertion.ABSENT),
        said("nodule", "left base", Assertion.UNCERTAIN),
        said("mass", "apex", Assertion.ABSENT),
        said("mass", "other"),
    ),
    (),
)


def matrix_of_reports() -> TripletMatrix:
    labels = LabelsOfTriplets().table(LISTS.entities, [()] * 3, REPORTS)
    return triplet_matrix(REPORTS, LISTS, labels)


def test_labels_follow_the_published_rule() -> None:
    # Present anywhere is present; else absent anywhere is absent; uncertain says nothing.
    matrix = matrix_of_reports()
    assert matrix.labels.tolist() == [[1, 0, -1, -1], [-1, 0, -1, 1], [-1, -1, -1, -1]]
    there = matrix.there([0, 1, 2])
    cells = {(report, entity, place) for report, entity, place in np.argwhere(there).tolist()}
    assert cells == {(0, 0, 0), (0, 0, 1), (1, 3, 4)}


def test_labels_of_findings_know_kinds_sides_and_what_is_not_mentioned() -> None:
    reports = entities_of(
        "Calcified granuloma in the left lung.", "Possible nodule.", "Right nodule. No edema."
    )
    lists = TripletVocabulary(entities=("granuloma", "nodule"), positions=("unspecified", "other"))
    rule = LabelsOfFindings(sided=1)
    names = rule.names(lists, reports)
    assert names == ("granuloma", "nodule", "right nodule")
    table = rule.table(names, reports, [(), (), ()])
    assert table[:, :2].tolist() == [[1, 0], [0, -1], [0, 1]]
    assert table[2, 2] == 1
    with pytest.raises(ConfigError, match="sided"):
        LabelsOfFindings(sided=-1)


def batch_of(rows: list[int], places: range, seed: int = 0, step: int = 0) -> ImageBatch:
    return ImageBatch(
        pixels=torch.zeros(len(rows), 1, 8, 8, dtype=torch.uint8),
        sizes=torch.full((len(rows), 2), 8),
        rows=torch.tensor(rows),
        names=tuple(map(str, rows)),
        seed=seed,
        step=step,
        places=places,
        batch_size=4,
    )


def targets() -> TripletTargets:
    """Images 0 and 3 have the first report, image 1 the second, image 2 the third."""
    return TripletTargets(matrix_of_reports(), np.array([0, 1, 2, 0]))


def test_one_right_position_is_drawn_and_the_other_right_one_is_no_wrong_one() -> None:
    first = set()
    for step in range(40):
        drawn = targets().draw(batch_of([3, 1, 2, 0], range(4), step=step))
        assert drawn.labels[1].tolist() == [-1, 0, -1, 1]
        assert list(zip(drawn.row.tolist(), drawn.finding.tolist(), strict=True)) == [
            (0, 0),
            (1, 3),
            (3, 0),
        ]
        effusion, mass, again = drawn.choices.tolist()
        assert effusion[0] in (0, 1)
        assert sorted(effusion[1:4]) == [2, 3, 4]
        assert effusion[4] == NO_CHOICE
        assert mass[0] == 4
        assert sorted(mass[1:]) == [0, 1, 2, 3]
        first.add((effusion[0], again[0]))
    assert first == {(0, 0), (0, 1), (1, 0), (1, 1)}


@given(seed=st.integers(0, 1000), step=st.integers(0, 1000))
def test_a_draw_depends_on_seed_step_and_place_alone(seed: int, step: int) -> None:
    whole = targets().draw(batch_of([0, 1, 2, 3], range(4), seed, step))
    halves = [
        targets().draw(batch_of([0, 1], range(2), seed, step)),
        targets().draw(batch_of([2, 3], range(2, 4), seed, step)),
    ]
    for name in ("labels", "finding", "choices"):
        parts = torch.cat([getattr(half, name) for half in halves])
        assert torch.equal(parts, getattr(whole, name))


def test_positions_are_drawn_evenly() -> None:
    chance = np.random.default_rng(0).random((4000, 5))
    there = np.zeros((4000, 5), dtype=bool)
    there[:, [1, 3]] = True
    choices = drawn_choices(there, chance)
    assert set(choices[:, 0].tolist()) == {1, 3}
    # Of 4,000 draws 2,000 are expected, give or take 4 x 32.
    assert abs((choices[:, 0] == 1).sum() - 2000) < 128
    for place in (0, 2, 4):
        assert abs((choices[:, 1] == place).mean() - 1 / 3) < 0.04
    assert (choices[:, 4] == NO_CHOICE).all()


def entities_of(*reports: str) -> list[tuple[Entity, ...]]:
    return [default_extractor().extract(report) for report in reports]


def anything(name: str) -> bool:
    return True


def test_the_most_frequent_findings_are_asked_but_those_left_out_and_undescribed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports = entities_of(
        "Left pleural effusion. Nodule in the right apex. Cardiomegaly.",
        "Left pleural effusion. Nodule in the right apex.",
        "Small left pleural effusion. Edema.",
    )
    made = FrequentTriplets(entities=2, positions=5).vocabulary(reports, anything)
    assert made.entities == ("pleural effusion", "nodule")
    left = FrequentTriplets(entities=2, left_out=("nodule",)).vocabulary(reports, anything)
    assert left.entities[0] == "pleural effusion"
    assert "nodule" not in left.entities
    known = FrequentTriplets(entities=1).vocabulary(reports, lambda name: name == "nodule")
    assert known.entities == ("nodule",)
    assert "pleural effusion" in caplog.text
    with pytest.raises(ConfigError, match="has a description"):
        FrequentTriplets().vocabulary(reports, lambda name: False)


@pytest.mark.parametrize("counts", [{"entities": 0}, {"positions": 1}])
def test_lists_of_nothing_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="entities must be at least 1"):
        FrequentTriplets(**counts)


def test_the_paper_asks_its_75_entities_and_refuses_to_leave_out_others() -> None:
    lists = PaperTriplets(left_out=("pneumonia",)).vocabulary([], anything)
    assert (len(lists.entities), len(lists.positions)) == (75, 51)
    with pytest.raises(ConfigError, match="covid"):
        PaperTriplets(left_out=("covid",))
