import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.knowledge.phrases import inflected, is_abbreviation, plain, stem, straightened


def test_a_phrase_is_its_words() -> None:
    assert plain("  Pleural-Effusion (left), Ewing's ") == "pleural effusion left ewing"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("effusion", "effusions"),
        ("opacity", "opacities"),
        ("mass", "masses"),
        ("metastasis", "metastases"),
        ("pneumothorax", "pneumothoraces"),
        ("apex", "apices"),
        ("bronchus", "bronchi"),
        ("vertebra", "vertebrae"),
        ("disease", "diseases"),
        ("hilum", "hila"),
        ("carcinoma", "carcinomas"),
        ("carcinoma", "carcinomata"),
        ("base", "bases"),
        ("virus", "viruses"),
        ("edema", "oedema"),
        ("tumor", "tumours"),
        ("anemia", "anaemia"),
        ("fiber", "fibres"),
        ("hemothorax", "haemothorax"),
    ],
)
def test_numbers_and_spellings_of_a_word_are_one(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("mass", "mast"), ("lung", "long"), ("rib", "bib"), ("carina", "carinii"), ("gas", "gash")],
)
def test_other_words_stay_apart(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@pytest.mark.parametrize(
    ("turned", "straight"),
    [
        ("Effusion, pleural", "pleural effusions"),
        ("Base of the Lung", "lung base"),
        ("Fracture, Rib, Left", "left rib fracture"),
        ("Neoplasm of lung", "lung neoplasm"),
    ],
)
def test_a_phrase_is_turned_round_at_commas_and_of(turned: str, straight: str) -> None:
    assert straightened(turned) == inflected(straight)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left to right shunt", "right to left shunt"),
        ("tube feeding", "feeding tube"),
        ("effusion without pneumothorax", "pneumothorax without effusion"),
        ("pneumonia, due to aspiration", "due to aspiration pneumonia"),
    ],
)
def test_an_order_that_matters_is_kept(one: str, other: str) -> None:
    assert straightened(one) != straightened(other)


@given(st.text(max_size=40))
def test_forms_of_a_form_are_the_form(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert inflected(text.upper()) == inflected(text.upper().lower())
    assert isinstance(straightened(text), str)


@pytest.mark.parametrize("text", ["COPD", "PTX", "AFib", "NFTs", "T2DM", "D-TGA"])
def test_abbreviations_are_known_by_their_capitals(text: str) -> None:
    assert is_abbreviation(text)


@pytest.mark.parametrize("text", ["Lung", "lung", "A", "X-ray", "ACUTE LUNG DISEASE", "Pneumonia"])
def test_words_are_no_abbreviations(text: str) -> None:
    assert not is_abbreviation(text)
