"""The test sentences: what a radiologist reads out of each, worked by hand."""

import pytest

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Assertion, Entity, EntityKind

EXTRACTOR = RuleExtractor(Lexicon.default())
SIGNS = {"+": Assertion.PRESENT, "-": Assertion.ABSENT, "?": Assertion.UNCERTAIN}

# sentence -> (standard term or a broader one, sign, words of the place, severity or scope)
SENTENCES = {
    "No pneumothorax or large pleural effusion.": (
        ("pneumothorax", "-", "", None),
        ("pleural effusion", "-", "", "large"),
    ),
    "Small left effusion without pneumothorax.": (
        ("pleural effusion", "+", "left pleural", "small"),
        ("pneumothorax", "-", "", None),
    ),
    "The lungs are clear.": (
        ("opacity", "-", "lung", None),
        ("consolidation", "-", "lung", None),
    ),
    "Heart size is normal.": (("cardiomegaly", "-", "", None),),
    "Heart size is at the upper limits of normal.": (("cardiomegaly", "-", "", None),),
    "Borderline cardiomegaly.": (("cardiomegaly", "?", "", "borderline"),),
    "Stable mild cardiomegaly.": (("cardiomegaly", "+", "", "mild"),),
    "No interval change in the right basilar opacity.": (("opacity", "+", "right base", None),),
    "No new consolidation.": (("consolidation", "-", "", "new"),),
    "The left apical pneumothorax has resolved.": (("pneumothorax", "-", "left apex", None),),
    "Resolving right upper lobe pneumonia.": (("pneumonia", "+", "right upper lobe", None),),
    "Underlying pneumonia cannot be excluded.": (("pneumonia", "?", "", None),),
    "Cannot rule out a tiny right apical pneumothorax.": (
        ("pneumothorax", "?", "right apex", "tiny"),
    ),
    "Left base opacity, atelectasis versus pneumonia.": (
        ("opacity", "+", "left base", None),
        ("atelectasis", "?", "left base", None),
        ("pneumonia", "?", "left base", None),
    ),
    "Findings favor atelectasis rather than pneumonia.": (
        ("atelectasis", "?", "", None),
        ("pneumonia", "-", "", None),
    ),
    "Atelectasis, edema, or infection could have this appearance.": (
        ("atelectasis", "?", "", None),
        ("pulmonary edema", "?", "", None),
        ("pneumonia", "?", "", None),
    ),
    "Clear lungs except for a calcified granuloma in the left lower lobe.": (
        ("opacity", "-", "lung", None),
        ("consolidation", "-", "lung", None),
        ("granuloma", "+", "left lower lobe", None),
    ),
    "The lungs are free of focal airspace disease.": (("airspace disease", "-", "", "focal"),),
    "Negative for pneumothorax.": (("pneumothorax", "-", "", None),),
    "Status post right chest tube removal, no pneumothorax.": (
        ("chest tube", "-", "right", None),
        ("pneumothorax", "-", "", None),
    ),
    "Tip of the endotracheal tube is 4 cm above the carina.": (
        ("tip", "+", "", None),
        ("endotracheal tube", "+", "trachea", None),
    ),
    "Right PICC tip at the cavoatrial junction.": (
        ("picc", "+", "right cavoatrial junction", None),
    ),
    "The nasogastric tube has been removed.": (("nasogastric tube", "-", "", None),),
    "Right effusion is larger; left is unchanged.": (
        ("pleural effusion", "+", "right pleural", None),
        ("pleural effusion", "+", "left pleural", None),
    ),
    "Moderate right and small left pleural effusions.": (
        ("pleural effusion", "+", "right pleural", "moderate"),
        ("pleural effusion", "+", "left pleural", "small"),
    ),
    "Bilateral effusions, right greater than left.": (
        ("pleural effusion", "+", "right pleural", None),
        ("pleural effusion", "+", "left pleural", None),
    ),
    "No consolidation, edema or effusion, but a 6 mm nodule in the right upper lobe.": (
        ("consolidation", "-", "", None),
        ("pulmonary edema", "-", "", None),
        ("pleural effusion", "-", "", None),
        ("nodule", "+", "right upper lobe", "6 mm"),
    ),
    "No acute fracture; old healed left rib fractures.": (
        ("fracture", "-", "", "acute"),
        ("fracture", "+", "left rib", None),
    ),
    "Not only edema but also a new right effusion.": (
        ("pulmonary edema", "+", "", None),
        ("pleural effusion", "+", "right pleural", None),
    ),
    "Nodule over the left sixth rib is questionable.": (("nodule", "?", "left rib", None),),
    "The left costophrenic angle is excluded from the image.": (),
    "The costophrenic angles are sharp.": (
        ("blunting of the costophrenic angle", "-", "costophrenic angle", None),
        ("pleural effusion", "-", "costophrenic angle", None),
    ),
    "Blunting of the left costophrenic angle suggests a small effusion.": (
        ("blunting of the costophrenic angle", "+", "left costophrenic angle", None),
        ("pleural effusion", "?", "left pleural", "small"),
    ),
    "Lingular opacity, which could be infection, has improved.": (
        ("opacity", "+", "lingula", None),
        ("pneumonia", "?", "lingula", None),
    ),
    "INDICATION: Rule out pneumonia.": (),
    "History of heart failure.": (),
    "CT is recommended to exclude an underlying mass.": (("mass", "?", "", None),),
    "No displaced rib fracture.": (("rib fracture", "-", "", "displaced"),),
    "Pleural effusion: None.": (("pleural effusion", "-", "", None),),
    "The mediastinum is not widened.": (("mediastinal widening", "-", "mediastinum", None),),
    "1. No acute disease. 2. Stable 5 mm left apical nodule.": (
        ("acute disease", "-", "", None),
        ("nodule", "+", "left apex", "5 mm"),
    ),
    "Pneumothorax, if any, is tiny.": (("pneumothorax", "?", "", "tiny"),),
    "No effusion on the left; a small one persists on the right.": (
        ("pleural effusion", "-", "left pleural", None),
        ("pleural effusion", "+", "right pleural", "small"),
    ),
    "Left lower lobe collapse is worse, with shift of the mediastinum.": (
        ("collapse", "+", "left lower lobe", None),
        ("mediastinal shift", "+", "", None),  # the name says where
    ),
}


def observations(text: str) -> list[Entity]:
    return [e for e in EXTRACTOR.extract(text) if e.kind is EntityKind.OBSERVATION]


def is_a(name: str, expected: str) -> bool:
    return expected in {name, *EXTRACTOR.lexicon.broader(name)}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentence_is_read_as_a_radiologist_reads_it(sentence: str) -> None:
    found = observations(sentence)
    expected = SENTENCES[sentence]
    assert len(found) == len(expected), found
    for entity, (name, sign, place, severity) in zip(found, expected, strict=True):
        assert is_a(entity.name, name)
        assert entity.assertion is SIGNS[sign]
        if place:
            assert place in (entity.place or "")
        else:
            assert entity.place in {None, "heart", "lung"}
        assert entity.severity == severity
