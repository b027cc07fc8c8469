"""What findings look like on a radiograph, in words: for entities of reports, for unseen diseases.

A finding of the concept graph is described by its definition there; `descriptions.toml` describes
what the graph does not hold. Both are written for carina.
"""

import difflib
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from carina.errors import KnowledgeError
from carina.knowledge.chest import chest_graph, read_toml
from carina.knowledge.described_json import read_json
from carina.knowledge.graph import Concept, ConceptGraph, ConceptKind, Origin
from carina.knowledge.linking import Linker
from carina.knowledge.phrases import plain
from carina.knowledge.sources import read_sources
from carina.report.lexicon import Lexicon, canonical

DESCRIPTIONS_FILE = Path(__file__).with_name("descriptions.toml")
SOURCE = Origin(name="carina descriptions", version="1", licence="Apache-2.0")

DESCRIBED_KINDS = (
    *(ConceptKind.FINDING, ConceptKind.DISEASE, ConceptKind.DEVICE),
    ConceptKind.OTHER,
)
"""What a model may be asked about; definitions of places and attributes describe no finding."""

DEFAULT = "default"
"""What the command line calls the descriptions that carina brings along."""

JSON = ".json"
FORMS = (JSON, ".toml", ".obo", ".parquet")
"""Endings of files that describe."""

SUGGESTIONS = 3


@dataclass(frozen=True, kw_only=True)
class Description:
    """What one finding looks like.

    `synonyms` are other names of the same. `source` and `licence` say whose text it is; the
    licence is "" where the source does not tell.
    """

    name: str
    text: str
    synonyms: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, kw_only=True)
class Descriptions:
    """Descriptions in an order, found by name.

    Names are compared without regard to case and marks: names before synonyms, these before
    plurals and other spellings, and at last by the term that reports' lexicon has for a name.

    Raises:
        KnowledgeError: there is no description, a name or text is blank, or two are of one name.
    """

    entries: tuple[Description, ...]

    def __post_init__(self) -> None:
        """Checks the descriptions, and lays each text on one line."""
        if not self.entries:
            raise KnowledgeError(
                "there is no description, expected at least one. Give findings with their texts."
            )
        seen: dict[str, str] = {}
        for entry in self.entries:
            key = plain(entry.name)
            if not key or not entry.text.strip():
                what = "text" if key else "name"
                raise KnowledgeError(
                    f"the description {entry.name!r}: {entry.text!r} has a blank {what}. Fill it "
                    "in, or leave the description out."
                )
            if key in seen:
                raise KnowledgeError(
                    f"{entry.name!r} is described twice (as {seen[key]!r} before; case and marks "
                    "make no difference), expected once. Leave one out."
                )
            seen[key] = entry.name
        tidied = tuple(replace(entry, text=" ".join(entry.text.split())) for entry in self.entries)
        object.__setattr__(self, "entries", tidied)

    @staticmethod
    @functools.cache
    def default() -> "Descriptions":
        """The descriptions that carina brings along: see docs/descriptions.md."""
        words = Descriptions.from_graph(read_toml(DESCRIPTIONS_FILE, SOURCE))
        concepts = Descriptions.from_graph(chest_graph())
        return Descriptions(entries=(*words, *concepts._without(words)))

    @classmethod
    def named(cls, where: str) -> "Descriptions":
        """The descriptions that the command line names.

        Args:
            where: "default" for those that carina brings along, or a file (see `read`) of the
                caller's own, which go before them.

        Raises:
            KnowledgeError: the file cannot be read, or describes nothing.
        """
        if where == DEFAULT:
            return cls.default()
        return cls.default().extended(cls.read(Path(where)))

    @classmethod
    def read(cls, path: Path) -> "Descriptions":
        """Reads descriptions of the caller's own.

        Args:
            path: JSON of one object, name to text, as MedKLIP's official descriptions are; or
                anything that `carina knowledge` reads: a TOML file in the form of `chest.toml`,
                an ontology (.obo), a finished graph (.parquet), a folder of UMLS files.

        Raises:
            KnowledgeError: the file cannot be read, or describes nothing.
        """
        if not path.is_dir() and path.suffix not in FORMS:
            raise KnowledgeError(
                f"{path}: ends in {path.suffix!r}, expected {', '.join(FORMS)}, or a folder of "
                "UMLS files. Write names and texts as JSON, or as docs/descriptions.md says."
            )
        if path.suffix != JSON:
            return cls.from_graph(read_sources([path]))
        try:
            texts = read_json(path)
            return cls(
                entries=tuple(
                    Description(name=name, text=text, source=path.name) for name, text in texts
                )
            )
        except KnowledgeError as error:
            raise KnowledgeError(f"{path}: {error}") from error

    @classmethod
    def from_graph(cls, graph: ConceptGraph) -> "Descriptions":
        """The definitions of a graph's findings, diseases and devices, in its order.

        Of concepts with one name the first that has a definition is taken.

        Raises:
            KnowledgeError: none of them has a definition.
        """
        source = "; ".join(" ".join((o.name, o.version)).strip() for o in graph.origins)
        licence = "; ".join(dict.fromkeys(o.licence for o in graph.origins if o.licence))
        described: dict[str, Description] = {}
        for concept in graph.of_kind(*DESCRIBED_KINDS):
            if concept.definition.strip() and plain(concept.name):
                described.setdefault(
                    plain(concept.name),
                    Description(
                        name=concept.name,
                        text=concept.definition,
                        synonyms=concept.synonyms,
                        source=source,
                        licence=licence,
                    ),
                )
        if not described:
            raise KnowledgeError(
                f"{source or 'the concept graph'}: none of {len(graph.concepts)} concepts is a "
                "finding, disease or device with a definition, so nothing is described. Name an "
                "ontology that has definitions, or write descriptions of your own."
            )
        return cls(entries=tuple(described.values()))

    def extended(self, other: "Descriptions") -> "Descriptions":
        """These and others, which go first.

        Each of the others takes the place of the one that its name finds here, and all its names
        with it: a text for "effusion" is then found for "pleural effusion" too.
        """
        replaced = self._replaced_by(other)
        claimed = other._claimed()
        inherited: dict[str, list[str]] = {}
        kept = []
        for entry in self._without(other):
            if entry.name in replaced:
                names = (
                    name for name in (entry.name, *entry.synonyms) if plain(name) not in claimed
                )
                inherited.setdefault(replaced[entry.name], []).extend(names)
            else:
                kept.append(entry)
        theirs = (
            replace(entry, synonyms=(*entry.synonyms, *inherited.get(entry.name, ())))
            for entry in other
        )
        return Descriptions(entries=(*theirs, *kept))

    def of(self, name: str) -> Description:
        """The description of a finding.

        Raises:
            KnowledgeError: there is none, or the name fits several.
        """
        fitting = self._fitting(name)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise KnowledgeError(
                f"{name!r} may mean {' or '.join(repr(entry.name) for entry in fitting)}, "
                "expected one finding. Use one of these names."
            )
        near = difflib.get_close_matches(plain(name), self._written, SUGGESTIONS)
        like = f" (names like it: {', '.join(self._written[n] for n in near)})" if near else ""
        raise KnowledgeError(
            f"there is no description of {name!r}{like}. Write what it looks like, in a file of "
            "descriptions or as NAME=DESCRIPTION."
        )

    def texts(self, names: Iterable[str]) -> tuple[str, ...]:
        """The texts of findings, in their order.

        Raises:
            KnowledgeError: some have none, and all these are named; or one fits several.
        """
        wanted = tuple(names)
        without = [name for name in wanted if not self._fitting(name)]
        if len(without) > 1:
            raise KnowledgeError(
                f"there is no description of {', '.join(map(repr, without))}. Write what they "
                "look like in a file of descriptions, or leave them out."
            )
        return tuple(self.of(name).text for name in wanted)

    def __contains__(self, name: object) -> bool:
        """Whether `of` finds exactly one description."""
        return isinstance(name, str) and len(self._fitting(name)) == 1

    def __iter__(self) -> Iterator[Description]:
        """The descriptions in their order."""
        return iter(self.entries)

    def __len__(self) -> int:
        """How many descriptions there are."""
        return len(self.entries)

    def _fitting(self, name: str) -> tuple[Description, ...]:
        linked = self._linked(name)
        if linked:
            return linked
        meaning = Lexicon.default().phrases.get(canonical(name))
        return self._linked(meaning.term.name) if meaning is not None and meaning.term else ()

    def _linked(self, name: str) -> tuple[Description, ...]:
        found = self._linker.link(name).concepts
        return tuple(self.entries[int(concept.id)] for concept in found)

    def _without(self, other: "Descriptions") -> tuple[Description, ...]:
        """Ours, less the synonyms that the others claim: a name must not fit two."""
        claimed = other._claimed()
        return tuple(
            replace(entry, synonyms=tuple(s for s in entry.synonyms if plain(s) not in claimed))
            for entry in self
        )

    def _claimed(self) -> frozenset[str]:
        """Every name and synonym, as it is compared."""
        return frozenset(plain(name) for entry in self for name in (entry.name, *entry.synonyms))

    def _replaced_by(self, other: "Descriptions") -> dict[str, str]:
        """Our names -> the names of theirs that take their place, an equal name before all."""
        found = [(ours.name, theirs.name) for theirs in other for ours in self._linked(theirs.name)]
        found.sort(key=lambda pair: plain(pair[0]) != plain(pair[1]))
        return dict(reversed(found))

    @functools.cached_property
    def _linker(self) -> Linker:
        return Linker(ConceptGraph(concepts=tuple(_as_concepts(self.entries))))

    @functools.cached_property
    def _written(self) -> dict[str, str]:
        """Every name as it is compared, and as it is written."""
        names = [name for entry in self for name in (entry.name, *entry.synonyms)]
        return {plain(name): name for name in names}


def _as_concepts(entries: Iterable[Description]) -> Iterator[Concept]:
    for place, entry in enumerate(entries):
        yield Concept(id=str(place), name=entry.name, synonyms=entry.synonyms)
