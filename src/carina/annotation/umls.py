"""KAD's heuristics over a concept graph: names of findings, denied or not by their sentence.

Source: Zhang et al., Nat Commun 2023 (KAD), Methods, "Entity extraction": concepts of the
semantic types T033 (finding) and T047 (disease or syndrome) are found in every sentence; those
of a sentence with "no", "none" or "normal" are absent, all others present. The paper finds
concepts with ScispaCy; here it is every name and synonym of the graph, whole words, the longest
first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.annotation.source import Reading
from carina.annotation.texts import read_texts
from carina.errors import KnowledgeError
from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import IS_A, Concept, ConceptGraph, ConceptKind, fold
from carina.knowledge.phrases import is_abbreviation
from carina.knowledge.sources import read_sources
from carina.report.entities import build_automaton
from carina.report.lexicon import Lexicon, Meaning, Role, canonical
from carina.report.sentence_rule import reported_sentences, sentence_assertion
from carina.report.tokens import read_tokens
from carina.report.wording import Wording
from carina.study import Entity, EntityKind, Study

SEMANTIC_TYPES = frozenset({"T033", "T047"})
KINDS = (ConceptKind.FINDING, ConceptKind.DISEASE)
SHORTEST = 3
NORMAL = "normal"  # KAD leaves it out here: it is what a report shows that calls nothing present
GENERAL_WORDS = ("clinical modifier", "mode of inheritance", "frequency", "clinical course")
"""Branches of the Human Phenotype Ontology that hold words such as "lateral", no findings."""


@dataclass(frozen=True, kw_only=True)
class Umls:
    """KAD's heuristics.

    Attributes:
        knowledge: a graph of `carina knowledge`, or an ontology as OBO; None for the embedded
            graph.
        processes: how many read reports.
    """

    knowledge: Path | None = None
    processes: int = 1

    def make(self) -> "ConceptExtractor":
        """Builds the extractor.

        Raises:
            KnowledgeError: the graph cannot be read, or holds no finding or disease.
        """
        graph = read_sources([self.knowledge]) if self.knowledge else chest_graph()
        return ConceptExtractor(graph)

    def read(self, studies: Sequence[Study]) -> Reading:
        """The entities of every report.

        Raises:
            KnowledgeError: the graph cannot be read, or holds no finding or disease.
            ConfigError: `processes` is below 1.
        """
        return read_texts(self, studies, self.processes)


class ConceptExtractor:
    """Finds the findings and diseases of a concept graph in reports.

    An entity is named as our lexicon calls the words found, else as it calls the concept, else
    by the concept's own name, so that sources can be compared. It has no place and no severity.
    """

    name = "umls"

    def __init__(self, graph: ConceptGraph) -> None:
        general = general_words(graph)
        concepts = tuple(c for c in graph.concepts if is_wanted(c) and c.id not in general)
        if not concepts:
            raise KnowledgeError(
                "the graph holds no finding and no disease (in UMLS: T033, T047); found "
                f"{', '.join(kind for kind, _ in graph.statistics().kinds)}. Give a graph with "
                "findings, such as one made of HPO or of UMLS with MRSTY.RRF."
            )
        phrases, self._abbreviations = concept_phrases(concepts, Wording(Lexicon.default()))
        self._automaton = build_automaton(Lexicon(terms={}, phrases=phrases, states={}))

    def extract(self, text: str) -> tuple[Entity, ...]:
        """The entities of one report, in the order of the text."""
        return tuple(
            entity
            for section, (start, end) in reported_sentences(text)
            for entity in self._read(text[start:end], start, section)
        )

    def _read(self, sentence: str, offset: int, section: str) -> Iterator[Entity]:
        assertion = sentence_assertion(sentence)
        for token in read_tokens(sentence, self._automaton):
            written = sentence[token.start : token.end]
            if token.role is not Role.OBSERVATION or (
                canonical(written) in self._abbreviations and not written.isupper()
            ):
                continue
            yield Entity(
                name=token.meaning.word,
                text=written,
                kind=EntityKind.OBSERVATION,
                assertion=assertion,
                start=offset + token.start,
                end=offset + token.end,
                section=section,
            )


def is_wanted(concept: Concept) -> bool:
    """Whether a concept is of KAD's semantic types; a source without types goes by its kinds."""
    if concept.types:
        return not SEMANTIC_TYPES.isdisjoint(concept.types)
    return concept.kind in KINDS


def general_words(graph: ConceptGraph) -> frozenset[str]:
    """The ids of concepts that only qualify findings."""
    roots = [root.id for name in GENERAL_WORDS if (root := graph.find(name)) is not None]
    found = set(roots)
    while roots:
        below = {relation.head for relation in graph.arriving(roots.pop()) if relation.kind == IS_A}
        roots.extend(below - found)
        found |= below
    return frozenset(found)


def concept_phrases(
    concepts: Sequence[Concept], wording: Wording
) -> tuple[dict[str, Meaning], frozenset[str]]:
    """Every phrase that names a concept, with its meaning; and those that are abbreviations.

    Names go before synonyms and earlier concepts before later ones. A phrase is left out if it
    is shorter than three letters, or if our lexicon has it as a cue, a state, a degree or a
    place: ontologies know findings called "Normal", "Present" and "Left".
    """
    phrases: dict[str, Meaning] = {}
    abbreviations: set[str] = set()
    first = [(concept.name, concept) for concept in concepts]
    then = [(synonym, concept) for concept in concepts for synonym in concept.synonyms]
    for written, concept in first + then:
        phrase = canonical(written)
        known = wording.meaning(phrase)
        if phrase in phrases or sum(map(str.isalpha, phrase)) < SHORTEST:
            continue
        if known is not None and known.role is not Role.OBSERVATION:
            continue
        name = wording.observation(phrase) or wording.observation(concept.name)
        name = name or fold(concept.name)
        if name == NORMAL:
            continue
        phrases[phrase] = Meaning(role=Role.OBSERVATION, word=name)
        if is_abbreviation(written):
            abbreviations.add(phrase)
    return phrases, frozenset(abbreviations)
