import pytest

from carina.report.lexicon import Lexicon, packaged
from carina.report.position_tree import PositionTree, position_tree
from carina.study import EntityKind

TREE = position_tree()


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("right basilar", "right lung"),
        ("right lung base", "right lung"),
        ("right lung base", "right lower lung"),
        ("right lung base", "lung"),
        ("RLL", "right lung"),
        ("lingula", "left upper lobe"),
        ("lingula", "left lung"),
        ("right middle lobe", "right mid lung"),
        ("left apex", "left upper lung"),
        ("retrocardiac", "lung"),
        ("both bases", "lung"),
        ("minor fissure", "pleural space"),
        ("left costophrenic sulcus", "left pleura"),
        ("carina", "mediastinum"),
        ("svc", "mediastinum"),
        ("right atrium", "heart"),
        ("t8", "spine"),
        ("left clavicle", "bones"),
        ("stomach", "abdomen"),
        ("left lung", "left lung"),
    ],
)
def test_a_place_lies_in_another(inner: str, outer: str) -> None:
    assert TREE.within(inner, outer)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("right lung", "right lung base"),  # the other way round
        ("left lung base", "right lung"),
        ("lung base", "right lung"),  # on no side
        ("both bases", "right lung"),  # on both
        ("left pleural", "left lung"),
        ("left upper lobe", "left lower lung"),
        ("stomach", "lung"),
        ("left big toe nail of the moon", "heart"),
        ("xyzzy", "lung"),
        ("lung", "xyzzy"),
    ],
)
def test_a_place_does_not_lie_in_another(inner: str, outer: str) -> None:
    assert not TREE.within(inner, outer)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Right basilar", "right base"),
        ("basilar right lung", "right base"),
        ("bibasilar", "bilateral base"),
        ("lower_left_lobe", "left lower lobe"),
        ("right middle lung zone", "right mid lung"),
        ("left middle lobe", "left mid lung"),
        ("upper lungs", "upper lung"),
        ("left", "left chest"),
        ("left superior vena cava", "superior vena cava"),
        ("left right atrium", "right atrium"),
        ("lower interstitium", "lower lung"),
        ("thoracic vertebral body", "thoracic spine"),
        ("garden", None),
        ("", None),
    ],
)
def test_words_are_put_into_a_standard_name(words: str, name: str | None) -> None:
    assert TREE.named(words) == name


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("bilateral base", ("left base", "right base")),
        ("bilateral middle lobe", ("right middle lobe",)),
        ("bilateral spine", ("spine",)),
        ("left base", ("left base",)),
        ("right superior vena cava", ("superior vena cava", "right chest")),
        ("right atrium", ("right atrium",)),
        ("left right atrium", ("right atrium", "left chest")),
        ("left spine", ("spine",)),
        ("garden", ()),
    ],
)
def test_both_sides_are_two_places(words: str, places: tuple[str, ...]) -> None:
    assert TREE.places(words) == places


def test_sides_regions_and_parents_of_a_place() -> None:
    assert TREE.parents("right base") == ("right lower lung", "base")
    assert TREE.parents("chest") == ()
    assert [TREE.side_of(name) for name in ("left base", "bilateral base", "base", "lingula")] == [
        "left",
        "bilateral",
        None,
        "left",
    ]
    assert TREE.bare("right base") == "base"
    regions = {"right base": "lung", "left costophrenic angle": "pleural", "t spine": "bone"}
    assert {w: TREE.region_of(TREE.named(w) or "") for w in regions} == regions
    assert TREE.region_of("left chest") == "chest"
    assert TREE.region_of("right atrium") == "heart"


def test_what_cannot_leave_its_place_has_a_home() -> None:
    assert TREE.home_of("cardiomegaly") == "heart"
    assert TREE.home_of("opacity") is None


def test_every_name_is_found_under_itself_and_every_parent_is_a_name() -> None:
    for name in TREE.names:
        assert TREE.named(name) == name
        assert set(TREE.parents(name)) <= set(TREE.names)
        assert name not in TREE.parents(name)


def test_every_part_of_the_body_of_the_lexicon_is_a_place() -> None:
    terms = Lexicon.default().terms.values()
    parts = [term.name for term in terms if term.kind is EntityKind.ANATOMY]
    assert [part for part in parts if TREE.named(part) is None] == []
    sites = {term.site for term in terms if term.site}
    assert [site for site in sorted(sites) if TREE.named(site) is None] == []


def test_every_held_observation_is_a_term_of_the_lexicon() -> None:
    held = [
        name for entry in packaged("positions.toml").values() for name in entry.get("holds", ())
    ]
    assert len(held) == len(set(held))
    assert set(held) <= set(Lexicon.default().terms)


def test_lying_in_is_transitive() -> None:
    for name in TREE.names:
        for outer in TREE.around(name):
            assert set(TREE.around(outer)) <= set(TREE.around(name))


def test_a_tree_of_ones_own_places() -> None:
    table = {"hall": {}, "room": {"within": ["hall"], "paired": True}, "bed": {"within": ["room"]}}
    tree = PositionTree(table, Lexicon.default())
    assert tree.names == ("hall", "room", "left room", "right room", "bilateral room", "bed")
    assert tree.within("left room", "hall")
    assert list(tree.around("bed")) == ["bed", "room", "hall"]
