"""Places of a chest radiograph, and which of them lies in which.

`terms/positions.toml` holds the places once; those that come in pairs are here on the left, on
the right, on both sides and without a side. So "right basilar" is known to lie in "right lung".
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from carina.report.lexicon import Lexicon, Meaning, Role, canonical, packaged

LEFT, RIGHT, BOTH = "left", "right", "bilateral"
ONE_SIDE = (LEFT, RIGHT)
MIDDLE = frozenset({"heart", "mediastinum"})
WHERE = frozenset({Role.SIDE, Role.ZONE, Role.ANATOMY})
LONGEST_PHRASE = 8
REMEMBERED_WORDS = 65_536
# A zone of these is a zone of the lung: "lower interstitial", "upper chest".
ZONED = frozenset({"lung", "chest", "interstitium"})
# These say little: another part of the body beside one of them is the place.
VAGUE = frozenset({"lung", "chest", "bone", "pleural", "interstitium", "lobe", "soft tissue"})


class PositionTree:
    """Places by standard name ("right base"), each with the places that it lies in.

    Args:
        table: places as `terms/positions.toml` has them.
        lexicon: knows the other ways to write a place.
    """

    def __init__(self, table: Mapping[str, Mapping[str, Any]], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._paired = frozenset(name for name, entry in table.items() if entry.get("paired"))
        self._sides: dict[str, str | None] = {}
        self._bare: dict[str, str] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._homes: dict[str, str] = {}
        for name, entry in table.items():
            self._add(name, tuple(entry.get("within", ())), entry.get("side"))
            self._homes |= dict.fromkeys(entry.get("holds", ()), name)
        self.named = functools.lru_cache(REMEMBERED_WORDS)(self._named)

    def _add(self, name: str, within: tuple[str, ...], side: str | None) -> None:
        self._sides[name], self._bare[name], self._parents[name] = side, name, within
        for own in (*ONE_SIDE, BOTH) if name in self._paired else ():
            sided = f"{own} {name}"
            outer = tuple(f"{own} {place}" for place in within if place in self._paired)
            self._sides[sided], self._bare[sided] = own, name
            self._parents[sided] = (*outer, name)

    @property
    def names(self) -> tuple[str, ...]:
        """All places, "left base", "right base" and "bilateral base" beside "base"."""
        return tuple(self._parents)

    def _named(self, words: str) -> str | None:
        """The standard name of a place; None where the words name none.

        "basilar right lung" is "right base". Of several parts of the body the first that says
        much counts. A side that a place cannot have is left away.
        """
        if words in self._parents:
            return words
        side = zone = part = None
        for meaning in self._meanings(canonical(words).split()):
            if meaning is None:
                continue
            side = side or meaning.side
            if meaning.role is Role.ZONE:
                zone = meaning.word
            elif meaning.role is Role.ANATOMY and (part is None or part in VAGUE):
                part = meaning.word
        if side is None and zone is None and part is None:
            return None
        return self._placed(side, zone_of(zone, part or "chest") if zone else part or "chest")

    def spelled(self, words: str) -> str | None:
        """As `named`, but None where any of the words is no part of a place."""
        unknown = any(meaning is None for meaning in self._meanings(canonical(words).split()))
        return words if words in self._parents else None if unknown else self.named(words)

    def _meanings(self, words: list[str]) -> Iterator[Meaning | None]:
        """The places and sides among words, the longest phrase first; None for another word."""
        begin = 0
        while begin < len(words):
            for end in range(min(len(words), begin + LONGEST_PHRASE), begin, -1):
                meaning = self._lexicon.phrases.get(" ".join(words[begin:end]))
                if meaning is not None and meaning.role in WHERE:
                    yield meaning
                    begin = end
                    break
            else:
                yield None
                begin += 1

    def _placed(self, side: str | None, name: str) -> str | None:
        """A place on a side."""
        if name == "middle lobe":  # the left lung has none: its middle third is meant
            name = "mid lung" if side == LEFT else "right middle lobe"
        if side is not None and f"{side} {name}" in self._parents:
            return f"{side} {name}"
        return name if name in self._parents else None

    def parents(self, name: str) -> tuple[str, ...]:
        """The places that a place lies in directly, nearest first; of its own side first."""
        return self._parents[name]

    def around(self, name: str) -> Iterator[str]:
        """The place itself and every place that it lies in, the nearest first."""
        waiting, met = [name], {name}
        for place in waiting:
            yield place
            for outer in self._parents[place]:
                if outer not in met:
                    met.add(outer)
                    waiting.append(outer)

    def within(self, inner: str, outer: str) -> bool:
        """Whether a place lies in another or is it: "right lung base" in "right lung".

        What is on both sides lies in no one side. Words that name no place lie nowhere.
        """
        place, target = self.named(inner), self.named(outer)
        return place is not None and target is not None and target in self.around(place)

    def side_of(self, name: str) -> str | None:
        """`left`, `right`, `bilateral`, or None."""
        return self._sides[name]

    def bare(self, name: str) -> str:
        """A place without its side: "right base" is "base"."""
        return self._bare[name]

    def region_of(self, name: str) -> str:
        """The large part of the body that a place belongs to: lung, pleural, heart, bone ..."""
        outer = [self._bare[place] for place in self.around(name) if self._bare[place] != "chest"]
        return outer[-1] if outer else "chest"

    def places(self, words: str) -> tuple[str, ...]:
        """The places that words name, those on both sides each for itself.

        What a line from the right reaches in the middle is on no side, so that "right superior
        vena cava" is the vein and the right side of the chest.
        """
        place = self.named(words)
        if place is None:
            return ()
        side = words.removesuffix(f" {place}")
        if side in ONE_SIDE and self.region_of(place) in MIDDLE:
            return (place, f"{side} chest")
        return self.halves(place)

    def home_of(self, observation: str) -> str | None:
        """The place that an observation cannot leave: an effusion is pleural, said or not."""
        return self._homes.get(observation)

    def halves(self, name: str) -> tuple[str, ...]:
        """A place on both sides as its two; any other place alone."""
        if self._sides[name] != BOTH:
            return (name,)
        return tuple(f"{side} {self._bare[name]}" for side in ONE_SIDE)


def zone_of(zone: str, part: str) -> str:
    """An upper, middle or lower part: of the lung, or one of its lobes; else the part itself."""
    if part in ZONED:
        return f"{'mid' if zone == 'middle' else zone} lung"
    return f"{zone} lobe" if part == "lobe" else part


@functools.cache
def position_tree() -> PositionTree:
    """The packaged places under the packaged lexicon."""
    return PositionTree(packaged("positions.toml"), Lexicon.default())
