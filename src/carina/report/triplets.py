"""Entity, position, existence: what a report says, as triplets.

Source: Wu et al., ICCV 2023 (MedKLIP). Where something is comes from the place of the entity,
which the rules read from its sentence and RadGraph from its relations.
"""

import difflib
import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from carina.errors import ConfigError
from carina.report.findings import RANK
from carina.report.lexicon import Lexicon, canonical, packaged
from carina.report.position_tree import position_tree
from carina.study import Assertion, Entity, EntityKind, Triplet

REMEMBERED_ENTITIES = 65_536
UNSPECIFIED, OTHER = "unspecified", "other"
NO_PLACE = (UNSPECIFIED, OTHER)
TAIL, EXCLUDED, UNCHANGED = "tail_abnorm_obs", "excluded_obs", "stable"
HEALTHY = ("normal", "clear", "sharp", "sharply", "unremarkable", "intact", "stable", "free")
# What is called so is there where our observations are absent; "free" is said of air.
WHOLE = frozenset(HEALTHY) - {"stable", "free"}
STABLE = re.compile(r"\bstable\b", re.IGNORECASE)
STABLE_BEFORE = re.compile(
    r"\bstable\s+(?:appearing\s+|appearance\s+of\s+)?(?:the\s+)?$", re.IGNORECASE
)
STABLE_BEHIND = re.compile(
    r"\s+(?:(?:size|contour|contours|silhouette)\s+)?(?:is|are|remains?|appears?)\s+"
    r"(?:grossly\s+|relatively\s+)?stable\b",
    re.IGNORECASE,
)
FARTHEST_STABLE = 40
ABNORMAL = """
    effusion opacity pneumothorax edema atelectasis tube consolidation process abnormality
    enlarge tip low pneumonia line congestion catheter cardiomegaly fracture air tortuous
    lead disease calcification prominence device engorgement picc clip elevation expand
    nodule wire fluid degenerative pacemaker thicken marking scar hyperinflate blunt loss
    widen collapse density emphysema aerate mass crowd infiltrate obscure deformity hernia
    drainage distention shift stent pressure lesion finding borderline hardware dilation
    chf redistribution aspiration
"""
PAPER_ENTITIES = (*HEALTHY, *ABNORMAL.split(), TAIL, EXCLUDED)
"""MedKLIP's 75 entities in the order of its queries."""
POSITIONS = """
    trachea left_hilar right_hilar hilar_unspec left_pleural right_pleural pleural_unspec
    heart_size heart_border left_diaphragm right_diaphragm diaphragm_unspec retrocardiac
    lower_left_lobe upper_left_lobe lower_right_lobe middle_right_lobe upper_right_lobe
    left_lower_lung left_mid_lung left_upper_lung left_apical_lung left_lung_unspec
    right_lower_lung right_mid_lung right_upper_lung right_apical_lung right_lung_unspec
    lung_apices lung_bases left_costophrenic right_costophrenic costophrenic_unspec
    cardiophrenic_sulcus mediastinal spine clavicle rib stomach right_atrium
    right_ventricle aorta svc interstitium parenchymal cavoatrial_junction cardiopulmonary
    pulmonary lung_volumes unspecified other
"""
PAPER_POSITIONS = tuple(POSITIONS.split())
"""MedKLIP's 51 positions in the order of its position vectors."""


@dataclass(frozen=True, kw_only=True)
class TripletVocabulary:
    """The entities and positions that triplets are put into.

    Attributes:
        entities: standard terms of the lexicon, other ways to write them, or MedKLIP's words.
            With `tail_abnorm_obs` among them, what is none of the others is that one.
        positions: places of the position tree or MedKLIP's words. `unspecified` and `other` must
            be among them: an entity without a place, and one at a place that lies in none of
            the others.
    """

    entities: tuple[str, ...]
    positions: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, words in (("entities", self.entities), ("positions", self.positions)):
            twice = [word for word, count in Counter(words).items() if count > 1]
            if twice or not words:
                raise ConfigError(
                    f"the {name} of a vocabulary hold {twice[0]!r} more than once; name each once."
                    if twice
                    else f"the {name} of a vocabulary are empty, expected one or more."
                )
        missing = [word for word in NO_PLACE if word not in self.positions]
        if missing:
            raise ConfigError(
                f"the positions of a vocabulary lack {missing[0]!r}; add it: it is where entities "
                "without a place, or at a place that is not listed, are put."
            )
        met: dict[str, str] = {}
        for word in self.positions:
            places = () if word in NO_PLACE else places_of(word)
            if places is None:
                raise ConfigError(unknown_position(word))
            for place in places:
                if met.setdefault(place, word) != word:
                    raise ConfigError(
                        f"the positions {met[place]!r} and {word!r} are the same place, {place}: "
                        "keep one of them."
                    )


def unknown_position(word: str) -> str:
    """What is said of a position that is no place."""
    known = (*PAPER_POSITIONS, *position_tree().names)
    close = difflib.get_close_matches(word.lower(), known, n=3) or known[:3]
    return (
        f"there is no position {word!r}; expected a place such as {', '.join(map(repr, close))}. "
        "Correct it, or see docs/triplets.md for all places."
    )


@functools.cache
def paper_words() -> Mapping[str, Mapping[str, list[str]]]:
    """What MedKLIP's words stand for: `terms`, `words` and `positions`."""
    return packaged("medklip.toml")


def places_of(position: str) -> tuple[str, ...] | None:
    """The places of the tree that a position stands for; None for words that name no place."""
    if position in paper_words()["positions"]:
        return tuple(paper_words()["positions"][position])
    place = position_tree().spelled(position)
    return None if place is None else position_tree().halves(place)


@functools.cache
def paper_vocabulary() -> TripletVocabulary:
    """MedKLIP's 75 entities and 51 positions."""
    return TripletVocabulary(entities=PAPER_ENTITIES, positions=PAPER_POSITIONS)


def frequent_vocabulary(
    reports: Iterable[Sequence[Entity]], entities: int = 75, positions: int = 51
) -> TripletVocabulary:
    """The entities and positions that most reports call present.

    Most frequent first, ties by name; `unspecified` and `other` stand last.

    Args:
        reports: the entities of each report.
        entities: at most so many.
        positions: at most so many, `unspecified` and `other` among them.

    Raises:
        ConfigError: no report calls anything present, or a number is too small.
    """
    if entities < 1 or positions < 2:
        raise ConfigError(
            f"a vocabulary of {entities} entities and {positions} positions was asked for, "
            f"expected at least 1 and 2: {UNSPECIFIED} and {OTHER} are always there."
        )
    names: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for report in reports:
        present = [t for t in triplets_of(report, "") if t.exists is Assertion.PRESENT]
        names.update({t.entity for t in present})
        places.update({t.position for t in present} - {UNSPECIFIED, OTHER})
    if not names:
        raise ConfigError(
            "no report calls anything present, so that no vocabulary can be made from them. Give "
            "reports that `carina annotate` has read."
        )
    return TripletVocabulary(
        entities=most_frequent(names, entities),
        positions=(*most_frequent(places, positions - 2), UNSPECIFIED, OTHER),
    )


def most_frequent(counts: Counter[str], count: int) -> tuple[str, ...]:
    """The most frequent words, ties by name."""
    return tuple(sorted(counts, key=lambda word: (-counts[word], word))[:count])


def triplets_of(
    entities: Sequence[Entity], text: str, vocabulary: TripletVocabulary | None = None
) -> tuple[Triplet, ...]:
    """The triplets of one report: one for each entity and position, in the order of the text.

    What is on both sides gives a triplet for each. Of an entity and a position that are spoken
    of more than once, present counts before uncertain, and uncertain before absent. An entity
    at no place that the report names is at the place that it cannot leave ("cardiomegaly" at the
    heart), else `unspecified`; where the report says the same of it at a place, that place alone
    counts. A wet read counts only where no impression follows it.

    Args:
        entities: of the report.
        text: the raw report, in which `Entity.start` counts.
        vocabulary: None keeps the lexicon's terms and the position tree's places.
    """
    reader = reader_of(vocabulary)
    said: dict[tuple[str, str], Triplet] = {}
    placed: set[tuple[str, Assertion]] = set()
    firm: set[tuple[str, str]] = set()
    loose: list[tuple[str, str]] = []
    for entity in counted(entities):
        for key, triplet in reader.read(entity):
            old = said.get(key)
            if old is None or RANK[triplet.exists] > RANK[old.exists]:
                said[key] = triplet
            if entity.place is None:
                loose.append(key)
            else:
                firm.add(key)
                placed.add((triplet.entity, triplet.exists))
    for key in loose:
        if key not in firm and key in said and (key[0], said[key].exists) in placed:
            del said[key]
    for key, triplet in reader.stable(entities, text):
        said.setdefault(key, triplet)
    return tuple(said.values())


def counted(entities: Sequence[Entity]) -> list[Entity]:
    """The observations that count, without those of a wet read that an impression follows."""
    observed = [entity for entity in entities if entity.kind is EntityKind.OBSERVATION]
    sections = {entity.section for entity in observed}
    if "wet read" in sections and "impression" in sections:
        return [entity for entity in observed if entity.section != "wet read"]
    return observed


Said = tuple[tuple[tuple[str, str], Triplet], ...]
"""Triplets, each behind its entity and position."""


class StandardReader:
    """Entities as triplets in the lexicon's terms and the position tree's places."""

    def __init__(self) -> None:
        self._read = functools.lru_cache(REMEMBERED_ENTITIES)(self._triplets)

    def read(self, entity: Entity) -> Said:
        """The triplets of one entity."""
        return self._read(entity.name, entity.place, entity.assertion)

    def stable(self, entities: Sequence[Entity], text: str) -> Said:
        """None: that the heart is stable is no finding of the lexicon."""
        return ()

    def _triplets(self, name: str, place: str | None, assertion: Assertion) -> Said:
        return keyed((name,), places_named(name, place), assertion)


class VocabularyReader:
    """Entities as triplets in the words of a vocabulary."""

    def __init__(self, vocabulary: TripletVocabulary) -> None:
        self._has_stable = UNCHANGED in vocabulary.entities
        self._tail = (TAIL,) if TAIL in vocabulary.entities else ()
        self._terms = entities_by_term(vocabulary.entities)
        self._words = entities_by_word(vocabulary.entities)
        self._positions = positions_by_place(vocabulary.positions)
        self._read = functools.lru_cache(REMEMBERED_ENTITIES)(self._triplets)

    def read(self, entity: Entity) -> Said:
        """The triplets of one entity."""
        return self._read(entity.name, entity.text, entity.place, entity.assertion)

    def stable(self, entities: Sequence[Entity], text: str) -> Said:
        """What a report calls stable of the body: "the heart is stable", "stable heart"."""
        if not self._has_stable or not STABLE.search(text):
            return ()
        parts = [e for e in entities if e.kind is EntityKind.ANATOMY and is_stable(e, text)]
        positions = (self._position(p) for e in parts for p in places_named(e.name, e.place))
        return keyed((UNCHANGED,), tuple(dict.fromkeys(positions)), Assertion.PRESENT)

    def _triplets(self, name: str, text: str, place: str | None, assertion: Assertion) -> Said:
        positions = tuple(dict.fromkeys(map(self._position, places_named(name, place))))
        words = canonical(text).split()
        said = [word for word in words if word in self._words]
        named = dict.fromkeys(self._named(name, words, assertion))
        named |= dict.fromkeys(self._words[w] for w in said if self._words[w] not in WHOLE)
        found = keyed(tuple(named) or self._tail, positions, assertion)
        if assertion is not Assertion.ABSENT:
            return found
        # "clear lungs": opacities are absent, and what is clear is there.
        healthy = tuple(dict.fromkeys(self._words[w] for w in said if self._words[w] in WHOLE))
        return (*found, *keyed(healthy, positions, Assertion.PRESENT))

    def _named(self, name: str, words: Sequence[str], assertion: Assertion) -> tuple[str, ...]:
        """The vocabulary's entities that a term stands for: its own, else its broader terms'.

        An absence goes no further than the words go: "no rib fracture" is no fracture, but "no
        hydropneumothorax" may leave an effusion.
        """
        terms = Lexicon.default().terms
        level, met = [name], {name}
        while level:
            found = tuple(entity for term in level for entity in self._terms.get(term, ()))
            if found:
                return found
            level = [p for term in level if term in terms for p in terms[term].is_a]
            level = [p for p in dict.fromkeys(level) if p not in met]
            if assertion is Assertion.ABSENT:
                level = [p for p in level if p in terms_written(words)]
            met.update(level)
        return ()

    def _position(self, place: str) -> str:
        """The vocabulary's nearest position around a place."""
        if place in NO_PLACE:
            return place
        tree = position_tree()
        for outer in tree.around(place):
            # The chest holds everything: a bone is no "cardiopulmonary" place for that.
            if outer in self._positions and (outer == place or tree.bare(outer) != "chest"):
                return self._positions[outer]
        return OTHER


@functools.lru_cache(8)
def reader_of(vocabulary: TripletVocabulary | None) -> StandardReader | VocabularyReader:
    """What reads entities into a vocabulary, with a memory of those met before."""
    return StandardReader() if vocabulary is None else VocabularyReader(vocabulary)


def keyed(names: Sequence[str], positions: Sequence[str], assertion: Assertion) -> Said:
    """A triplet for each entity at each position."""
    return tuple(
        ((name, position), Triplet(entity=name, position=position, exists=assertion))
        for name in names
        for position in positions
    )


def places_named(name: str, place: str | None) -> tuple[str, ...]:
    """The places of the tree where an entity is: two for what is on both sides."""
    tree = position_tree()
    if place is None:
        return (tree.home_of(name) or UNSPECIFIED,)
    return tree.places(place) or (OTHER,)


def is_stable(part: Entity, text: str) -> bool:
    """Whether the words right beside a part of the body call it stable."""
    before = text[max(0, part.start - FARTHEST_STABLE) : part.start]
    behind = STABLE_BEHIND.match(text, part.end, part.end + FARTHEST_STABLE)
    return behind is not None or STABLE_BEFORE.search(before) is not None


def terms_written(words: Iterable[str]) -> set[str]:
    """The standard terms that single words are."""
    meanings = (Lexicon.default().phrases.get(word) for word in words)
    return {meaning.word for meaning in meanings if meaning is not None}


def entities_by_term(entities: Iterable[str]) -> dict[str, list[str]]:
    """The vocabulary's entities by the standard terms that they stand for."""
    lexicon = Lexicon.default()
    found: dict[str, list[str]] = {}
    for entity in entities:
        if entity in lexicon.terms:
            terms = [entity]
        elif entity in paper_words()["terms"]:
            terms = paper_words()["terms"][entity]
        elif entity in paper_words()["words"]:
            terms = []
        else:
            meaning = lexicon.phrases.get(canonical(entity))
            terms = [canonical(entity) if meaning is None else meaning.word]
        for term in terms:
            found.setdefault(term, []).append(entity)
    return found


def entities_by_word(entities: Iterable[str]) -> dict[str, str]:
    """The vocabulary's entities by the words that are one where they are written."""
    words = paper_words()["words"]
    return {word: entity for entity in entities for word in words.get(entity, ())}


def positions_by_place(positions: Iterable[str]) -> dict[str, str]:
    """The vocabulary's positions by the places that they stand for."""
    found: dict[str, str] = {}
    for position in positions:
        for place in () if position in NO_PLACE else places_of(position) or ():
            found[place] = position
    return found
