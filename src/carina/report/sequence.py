"""A report as a sequence of entities, the text that KAD's text encoder reads.

Source: Zhang et al., Nat Commun 2023 (KAD), Methods, "Entity extraction"; and the text that
the published code builds, whose missing space before some labels is kept on purpose.
"""

from collections.abc import Mapping, Sequence

from carina.report.sections import split_sections
from carina.report.sentences import split_sentences
from carina.study import Assertion, Entity, EntityKind

SEPARATOR = " [SEP] "
CATEGORIES = {
    (EntityKind.ANATOMY, Assertion.PRESENT): "anatomy",
    (EntityKind.OBSERVATION, Assertion.PRESENT): "observation definitely present",
    (EntityKind.OBSERVATION, Assertion.ABSENT): "observation definitely absent",
    (EntityKind.OBSERVATION, Assertion.UNCERTAIN): "observation uncertain",
}
# RadGraph's labels in the words of the published code.
RADGRAPH_WORDS = {
    "ANAT-DP": "Anatomy Definitely Present",
    "OBS-DP": "Observation Definitely Present",
    "OBS-DA": "Observation Definitely Absent",
    "OBS-U": "Observation Uncertain",
}
RADGRAPH_LABELS = {
    (EntityKind.ANATOMY, Assertion.PRESENT): "ANAT-DP",
    (EntityKind.OBSERVATION, Assertion.PRESENT): "OBS-DP",
    (EntityKind.OBSERVATION, Assertion.ABSENT): "OBS-DA",
    (EntityKind.OBSERVATION, Assertion.UNCERTAIN): "OBS-U",
}


def entity_sequence(entities: Sequence[Entity], text: str) -> str:
    """The paper's form: "pleural effusion observation definitely absent [SEP] lung anatomy".

    Args:
        entities: of one report, in its order; the same entity said twice in the same way
            is written once.
        text: the raw report, which stands in where nothing was found in it.
    """
    parts = dict.fromkeys(
        f"{entity.name} {CATEGORIES[entity.kind, entity.assertion]}" for entity in entities
    )
    return SEPARATOR.join(parts) if parts else text.strip()


def official_entity_text(
    sentences: Sequence[Sequence[str]],
    captions: Sequence[str],
    labels: Mapping[str, str] | None,
) -> str:
    """The published code's form, character for character.

    Args:
        sentences: the entities of each sentence, as strings.
        captions: the sentences themselves, used where no sentence list is given.
        labels: RadGraph's label (ANAT-DP, OBS-DP, OBS-DA, OBS-U) of each of its spans; None
            where RadGraph has no record of the report.
    """
    if not sentences:
        return "".join(caption + SEPARATOR for caption in captions)
    return "".join(
        "".join(official_entity(entity, labels) for entity in entities) + SEPARATOR
        for entities in sentences
    )


def official_entity(entity: str, labels: Mapping[str, str] | None) -> str:
    """One entity, or its words one by one where the whole has no label."""
    if labels is None:
        return f" [ENT] {entity}"
    if entity in labels:
        # The published code puts no space here; models trained on it have seen it so.
        return f" [ENT] {entity}{RADGRAPH_WORDS[labels[entity]]}"
    words = (
        f"{word} {RADGRAPH_WORDS[labels[word]]}" if word in labels else word
        for word in entity.split()
    )
    return "".join(f" [ENT] {word}" for word in words)


def official_entity_sequence(entities: Sequence[Entity], text: str) -> str:
    """Our entities of one report in the published code's form.

    Entities stand where the code has UMLS concepts, and their kind and assertion where it
    has RadGraph's label; of two labels for one name the last wins, as in the code.
    """
    spans = [
        span
        for section in split_sections(text)
        if section.reported
        for span in split_sentences(text, section.start, section.end)
    ]
    found = [
        [entity.name for entity in entities if start <= entity.start < end] for start, end in spans
    ]
    labels = {entity.name: RADGRAPH_LABELS[entity.kind, entity.assertion] for entity in entities}
    captions = [text[start:end] for start, end in spans]
    return official_entity_text(found if entities else (), captions, labels)
