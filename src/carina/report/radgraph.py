"""RadGraph's records, of the first release and of RadGraph-XL, as entities.

A record holds the tokens of a report and spans of them, each an anatomy or an observation with an
assertion, tied by relations: `modify` (a modifier points at its head), `located_at` (an
observation at an anatomy) and `suggestive_of` (an observation at another).

Source: Jain et al., NeurIPS Datasets and Benchmarks 2021 (RadGraph); Delbrouck et al., ACL
Findings 2024 (RadGraph-XL). Assertions are theirs; names, places and degrees are put into the
words of our lexicon.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from carina.errors import ReportError
from carina.report.lexicon import WHOLE, Meaning, Role, canonical
from carina.report.sections import Section, split_sections
from carina.report.sentences import split_sentences
from carina.report.tokens import Token
from carina.report.wording import Wording
from carina.study import Assertion, Change, Entity, EntityKind

LABELS = {
    "ANAT-DP": (EntityKind.ANATOMY, Assertion.PRESENT),
    "OBS-DP": (EntityKind.OBSERVATION, Assertion.PRESENT),
    "OBS-DA": (EntityKind.OBSERVATION, Assertion.ABSENT),
    "OBS-U": (EntityKind.OBSERVATION, Assertion.UNCERTAIN),
}
KINDS = {"anatomy": EntityKind.ANATOMY, "observation": EntityKind.OBSERVATION}
ASSERTIONS = {
    "definitely present": Assertion.PRESENT,
    "definitely absent": Assertion.ABSENT,
    "uncertain": Assertion.UNCERTAIN,
}
MEASUREMENT = "measurement"
MODIFY, LOCATED_AT, SUGGESTIVE_OF = "modify", "located_at", "suggestive_of"


@dataclass(frozen=True, kw_only=True)
class Span:
    """One span of a record, at characters `start:end` of the raw report."""

    words: str
    kind: EntityKind
    assertion: Assertion
    start: int
    end: int
    measurement: bool = False
    relations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RadGraphReading:
    """What a record says, and how many of its spans were left out for which reason."""

    entities: tuple[Entity, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def read_record(
    record: Mapping[str, object], text: str, wording: Wording
) -> RadGraphReading | None:
    """The entities of one report; None if the record was made from another text.

    Modifiers become place, severity and change of their heads; other modifiers ("patchy") are
    not kept. An observation at several places is an entity at each. One that is merely suggested
    by another takes its place. A state means what the lexicon says of it: clear lungs are
    absent opacities.

    Args:
        record: with `text` (tokens parted by spaces) and `entities`.
        text: the raw report, which may hold more than the record.
        wording: the lexicon's words.

    Raises:
        ReportError: the record is not of RadGraph's form.
    """
    spans = read_spans(record, text)
    if spans is None:
        return None
    sections = split_sections(text)
    graph = Graph(spans)
    left_out: Counter[str] = Counter()
    found: list[Entity] = []
    for key, span in spans.items():
        section = section_at(sections, span.start)
        if not section.reported:
            left_out["in a section that does not tell what the radiograph shows"] += 1
        elif graph.is_modifier(key):
            continue
        elif span.kind is EntityKind.ANATOMY:
            found.append(anatomy_entity(key, graph, section.name, wording))
        else:
            named = observation_entities(key, graph, text, section, wording)
            found.extend(named)
            if not named:
                left_out["a word that is no observation of its own"] += 1
    found.sort(key=lambda entity: (entity.start, entity.end))
    return RadGraphReading(entities=tuple(found), left_out=dict(left_out))


# ------------------------------------------------------------------ what a record holds


def read_spans(record: Mapping[str, object], text: str) -> dict[str, Span] | None:
    """The spans of a record by key, in the order of the text; None if the text is another.

    Raises:
        ReportError: the record is not of RadGraph's form.
    """
    written, entities = record.get("text"), record.get("entities")
    if not isinstance(written, str) or not isinstance(entities, dict):
        raise ReportError(
            f"a RadGraph record has the keys {', '.join(map(str, record))}, expected text and "
            "entities. Give a file as RadGraph writes it."
        )
    places = token_places(written.split(" "), text)
    if places is None:
        return None
    spans = {str(key): read_span(str(key), entity, places) for key, entity in entities.items()}
    return dict(sorted(spans.items(), key=lambda item: (item[1].start, item[1].end)))


def read_span(key: str, entity: object, places: Sequence[tuple[int, int]]) -> Span:
    """One span, with characters for its tokens."""
    try:
        assert isinstance(entity, dict)
        first, last = int(entity["start_ix"]), int(entity["end_ix"])
        label, words = str(entity["label"]), str(entity["tokens"])
        relations = tuple((str(kind), str(target)) for kind, target in entity["relations"])
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ReportError(
            f"the RadGraph entity {key!r} is {entity!r:.120}, expected tokens, label, start_ix, "
            "end_ix and relations as pairs. Give a file as RadGraph writes it."
        ) from error
    if not 0 <= first <= last < len(places):
        raise ReportError(
            f"the RadGraph entity {key!r} spans the tokens {first} to {last} of {len(places)}: "
            "its file was changed. Take it as RadGraph wrote it."
        )
    kind, assertion, measured = read_label(label)
    return Span(
        words=words,
        kind=kind,
        assertion=assertion,
        start=places[first][0],
        end=places[last][1],
        measurement=measured,
        relations=relations,
    )


def read_label(label: str) -> tuple[EntityKind, Assertion, bool]:
    """Kind, assertion and whether it is a measurement: "OBS-DA" or "Anatomy::uncertain".

    Raises:
        ReportError: the label is of neither form.
    """
    if label in LABELS:
        return *LABELS[label], False
    parts = label.lower().split("::")
    if len(parts) < 2 or parts[0] not in KINDS or parts[-1] not in ASSERTIONS:
        raise ReportError(
            f"a RadGraph entity has the label {label!r}, expected {', '.join(LABELS)} or one such "
            'as "Observation::definitely present". Give a file as RadGraph writes it.'
        )
    return KINDS[parts[0]], ASSERTIONS[parts[-1]], MEASUREMENT in parts[1:-1]


def token_places(tokens: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    """Where each token stands in the raw text, white space and case aside.

    None if they do not stand there one after the other. An empty token is at `(0, 0)`.
    """
    places = [place for place, mark in enumerate(text) if not mark.isspace()]
    begin = lowered(text[place] for place in places).find(lowered("".join(tokens)))
    if begin < 0:
        return None
    found: list[tuple[int, int]] = []
    for token in tokens:
        end = begin + len(token)
        found.append((places[begin], places[end - 1] + 1) if token else (0, 0))
        begin = end
    return found


def lowered(marks: Iterable[str]) -> str:
    """In lower case, with as many marks as before: a few letters would become two."""
    return "".join(mark.lower() if len(mark.lower()) == 1 else mark for mark in marks)


def section_at(sections: Sequence[Section], place: int) -> Section:
    """The section that a character belongs to."""
    return next((s for s in reversed(sections) if s.header <= place), sections[0])


# ------------------------------------------------------------------ how spans hang together


class Graph:
    """The spans of a report and their relations, followed to the end and never in circles."""

    def __init__(self, spans: Mapping[str, Span]) -> None:
        self.spans = spans
        self._heads: dict[str, list[str]] = {}
        self._modifiers: dict[str, list[str]] = {}
        for key, span in spans.items():
            for kind, target in span.relations:
                if kind == MODIFY and target in spans and target != key:
                    self._heads.setdefault(key, []).append(target)
                    self._modifiers.setdefault(target, []).append(key)

    def is_modifier(self, key: str) -> bool:
        """Whether a span points at a head that does not lead back to it."""
        return bool(reached(key, self._heads) - reached(key, self._modifiers))

    def modifiers(self, key: str) -> list[Span]:
        """Everything that modifies a span, or what modifies it, in the order of the text."""
        return self._in_order(reached(key, self._modifiers))

    def phrase(self, key: str) -> list[Span]:
        """A part of the body with its modifiers and the heads that it modifies itself."""
        keys = reached(key, self._modifiers) | reached(key, self._heads) | {key}
        return [s for s in self._in_order(keys) if s.kind is EntityKind.ANATOMY]

    def targets(self, key: str, relation: str) -> list[str]:
        """What a span has a relation to, in the order of the text."""
        found = {target for kind, target in self.spans[key].relations if kind == relation}
        return [other for other in self.spans if other in found]

    def places(self, key: str) -> list[str]:
        """The parts of the body that an observation is at: its own, else of what suggests it."""
        seen = {key}
        waiting = [key]
        while waiting:
            now = waiting.pop(0)
            found = [t for t in self.targets(now, LOCATED_AT) if self._is_anatomy(t)]
            found += [m for m in self._modifiers.get(now, ()) if self._is_anatomy(m)]
            if found:
                return found
            givers = [k for k in self.spans if now in self.targets(k, SUGGESTIVE_OF)]
            waiting.extend(giver for giver in givers if giver not in seen)
            seen.update(givers)
        return []

    def _is_anatomy(self, key: str) -> bool:
        return self.spans[key].kind is EntityKind.ANATOMY

    def _in_order(self, keys: Iterable[str]) -> list[Span]:
        wanted = set(keys)
        return [span for key, span in self.spans.items() if key in wanted]


def reached(start: str, steps: Mapping[str, Sequence[str]]) -> set[str]:
    """Every key that is one or more steps away, without `start` itself."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for target in steps.get(waiting.pop(), ()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found - {start}


# ------------------------------------------------------------------ in the lexicon's words


def anatomy_entity(key: str, graph: Graph, section: str, wording: Wording) -> Entity:
    """A part of the body; like the rules, named and nothing else, so always present."""
    span = graph.spans[key]
    words = " ".join(part.words for part in graph.phrase(key))
    return Entity(
        name=wording.anatomy(words) or canonical(span.words),
        text=span.words,
        kind=EntityKind.ANATOMY,
        assertion=Assertion.PRESENT,
        start=span.start,
        end=span.end,
        section=section,
        place=wording.place(words),
    )


def observation_entities(
    key: str, graph: Graph, text: str, section: Section, wording: Wording
) -> list[Entity]:
    """The entities of an observation: one for each name and place; none if it is no observation."""
    span = graph.spans[key]
    if span.measurement:
        return []
    modifiers = [m for m in graph.modifiers(key) if m.kind is EntityKind.OBSERVATION]
    phrases = [" ".join(p.words for p in graph.phrase(place)) for place in graph.places(key)]
    entity = Entity(
        name="",
        text=text[span.start : span.end],
        kind=EntityKind.OBSERVATION,
        assertion=span.assertion,
        start=span.start,
        end=span.end,
        section=section.name,
        severity=severity_of(modifiers, wording),
        change=change_of(modifiers, wording),
    )
    found: list[Entity] = []
    for phrase in phrases or [""]:
        for name, assertion in meanings(span, phrase, text, section, wording):
            place = wording.place(phrase, name)
            found.append(replace(entity, name=name, assertion=assertion, place=place))
    return list(dict.fromkeys(found))


def meanings(
    span: Span, phrase: str, text: str, section: Section, wording: Wording
) -> Iterator[tuple[str, Assertion]]:
    """The names that the lexicon has for a span in its sentence, with their assertions."""
    token = observation_at(span, text, section, wording)
    if token is not None:
        yield token.meaning.word, span.assertion
        return
    meaning = wording.meaning(span.words)
    if meaning is None:
        yield canonical(span.words), span.assertion
    elif meaning.state is not None:
        yield from state_meanings(span, meaning, phrase, wording)


def observation_at(span: Span, text: str, section: Section, wording: Wording) -> Token | None:
    """The observation that the rules see where the span is: "rib fracture" at "fracture"."""
    for start, end in split_sentences(text, section.header, section.end):
        if start <= span.start < end:
            for token in wording.tokens(text[start:end]):
                inside = token.start + start < span.end and span.start < token.end + start
                if inside and token.role is Role.OBSERVATION:
                    return token
    return None


def state_meanings(
    span: Span, meaning: Meaning, phrase: str, wording: Wording
) -> Iterator[tuple[str, Assertion]]:
    """What the state of a part of the body means; nothing where the lexicon does not know."""
    state = meaning.state
    assert state is not None
    healthy = {Assertion.PRESENT: Assertion.ABSENT, Assertion.UNCERTAIN: Assertion.UNCERTAIN}
    assertion = healthy.get(span.assertion) if state in WHOLE else span.assertion
    part = wording.lexicon.terms.get(wording.anatomy(phrase) or "")
    if part is None or part.region is None or assertion is None:
        return
    for term in wording.lexicon.states.get((part.region, state), ()):
        yield term.name, assertion


def severity_of(modifiers: Sequence[Span], wording: Wording) -> str | None:
    """The degrees and sizes among modifiers, in the order of the text."""
    found = [wording.severity(span.words) for span in modifiers]
    return " ".join(word for word in found if word) or None


def change_of(modifiers: Sequence[Span], wording: Wording) -> Change | None:
    """The first change over time among modifiers."""
    told = (wording.meaning(span.words) for span in modifiers)
    return next((m.change for m in told if m is not None and m.change is not None), None)
