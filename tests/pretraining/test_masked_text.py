"""Training texts: composed, marked, masked and weighed as by hand, and as ECAMP's code does."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from carina.encoders.tokenizer import load_tokenizer, train_wordpiece
from carina.errors import ConfigError, ModelError
from carina.pretraining.masked_text import MaskedTextBatch, MaskedTextConfig, MaskedTexts
from carina.pretraining.text_composition import (
    Concatenated,
    Inserted,
    ReportAlone,
    TrainingText,
    is_regular,
    written_insertions,
)
from carina.pretraining.text_marks import TokenMarks
from carina.pretraining.text_masking import DescriptorsAlways, DescriptorsNever, EveryWord
from carina.pretraining.text_weights import EvenWeights, PhraseWeights, RebalancedWeights

OFFICIAL = MaskedTextConfig(
    padded=True,
    composition=Inserted(),
    marks=TokenMarks(),
    masking=DescriptorsNever(),
    weights=PhraseWeights(),
)


def published_like(pieces: list[str]) -> Tokenizer:
    """A tokenizer that cuts words as the published one does, with few pieces."""
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.NFKD()])
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    return made


def of_words(*texts: str) -> Tokenizer:
    words = {w for text in texts for w, _ in pre_tokenizers.Whitespace().pre_tokenize_str(text)}
    return published_like(["[PAD]", "[UNK]", "[CLS]", "[MASK]", *sorted(map(str.lower, words))])


def published_draws(sample: dict, texts: MaskedTexts, row: int) -> MaskedTextBatch:
    """The text that the published code makes, with its numbers drawn in its order."""
    numbers = random.Random(sample["seed"])
    chance, places = numbers.random(), len(sample["report"].split("."))
    place = numbers.randint(0, places) if chance < 0.8 else 0
    composition = np.array([[chance, (place + 0.5) / (places + 1)]])
    marked = texts._marked(texts._composed(np.array([row]), composition))
    words, entities = np.ones((1, 256)), np.ones((1, 256))
    for token in np.flatnonzero(marked.present[0])[1:]:
        if token < 255 and marked.starts[0, token] == token:
            words[0, token] = numbers.random()
    for token in np.flatnonzero(marked.entities[0]):
        entities[0, token] = numbers.random()
    return texts._masked(marked, words, entities)


def training_texts(samples: list[dict]) -> list[TrainingText]:
    return [TrainingText(report=s["report"], distilled=s["distilled"]) for s in samples]


# ------------------------------------------------------------------ the published code


def test_slim_parity_with_the_published_texts() -> None:
    recorded = json.loads((Path(__file__).parent / "ecamp_text_slim.json").read_text())
    samples = recorded["samples"]
    texts = MaskedTexts(published_like(recorded["pieces"]), training_texts(samples), OFFICIAL)
    for row, sample in enumerate(samples):
        batch = published_draws(sample, texts, row)
        length = sample["length"]
        assert batch.ids.shape == (1, 256)
        assert int(batch.attention.sum()) == length
        assert batch.chosen[0].nonzero()[:, 0].tolist() == sample["masked"]
        np.testing.assert_allclose(batch.weights[0, :length], sample["weights"], atol=1e-6)
        np.testing.assert_allclose(batch.weights[0, length:], sample["weight_of_padding"], 1e-6)


def test_parity_with_the_published_texts_draw_by_draw(parity_dir: Path, vocab_dir: Path) -> None:
    samples = json.loads((parity_dir / "ecamp" / "text.json").read_text())
    tokenizer = load_tokenizer(vocab_dir / "ecamp_mimic_wordpiece.json")
    texts = MaskedTexts(tokenizer, training_texts(samples), OFFICIAL)
    for row, sample in enumerate(samples):
        batch = published_draws(sample, texts, row)
        length = sample["length"]
        assert batch.originals[0, :length].tolist() == sample["ids"]
        assert batch.ids[0, :length].tolist() == sample["masked_ids"]
        assert not batch.ids[0, length:].any()
        np.testing.assert_allclose(batch.weights[0, :length], sample["weights"], atol=1e-6)
        np.testing.assert_allclose(batch.weights[0, length:], sample["weight_of_padding"], 1e-6)


def test_the_published_vocabulary_lacks_three_entities_which_is_told(
    vocab_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = load_tokenizer(vocab_dir / "ecamp_mimic_wordpiece.json")
    MaskedTexts(tokenizer, [TrainingText(report="mass.")], OFFICIAL)
    (told,) = caplog.messages
    assert told == (
        "The vocabulary lacks 3 of 44 entities, which are not met as one piece: aerate, COPD, "
        "hyperinflate."
    )


@pytest.mark.parametrize(
    ("report", "distilled"),
    [
        ("the lungs are clear. no mass. ", "There is no mass."),
        ("no mass", "There is no mass."),
        ("a (small.) mass. 3.5 cm.", "There is mass."),  # a mark behind a full stop
        ("...", "There is mass."),
        ("a mass.. clear", "There is mass.."),
        ("", "There is mass."),
        ("no mass. clear.", ""),
        ("mass. clear", "mass"),  # nothing closes the distilled text
        (". mass", "There is mass."),
    ],
)
def test_insertion_gives_the_tokens_of_the_written_text(report: str, distilled: str) -> None:
    text = TrainingText(report=report, distilled=distilled)
    pieces = report.split(".")
    written = written_insertions(text, pieces)
    closed = ["...", "..", ".)", "x"]
    tokenizer = of_words(report, distilled, *written, *closed)
    texts = MaskedTexts(tokenizer, [text], OFFICIAL)
    for place, whole in enumerate(written):
        draws = np.array([[0.0, (place + 0.5) / len(written)]])
        marked = texts._marked(texts._composed(np.array([0]), draws))
        expected = [2, *tokenizer.encode(whole).ids]
        assert marked.ids[0, : len(expected)].tolist() == expected
        assert marked.present.sum() == len(expected)
    alone = texts._marked(texts._composed(np.array([0]), np.array([[0.9, 0.5]])))
    expected = [2, *tokenizer.encode(report.replace("..", ".")).ids]
    assert alone.ids[0, alone.present[0]].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(
    report=st.text(alphabet="ab .,)5", max_size=14), distilled=st.sampled_from(["a.", "", "b a."])
)
def test_insertion_of_any_text_is_as_written(report: str, distilled: str) -> None:
    text = TrainingText(report=report, distilled=distilled)
    tokenizer = of_words("a b ab ba . , ) 5 .. ... .) ), aa bb ,. ).", *"ab.,)5")
    texts = MaskedTexts(tokenizer, [text], OFFICIAL)
    for place, whole in enumerate(written_insertions(text, report.split("."))):
        draws = np.array([[0.0, (place + 0.5) / (len(report.split(".")) + 1)]])
        marked = texts._marked(texts._composed(np.array([0]), draws))
        expected = [2, *tokenizer.encode(whole).ids]
        assert marked.ids[0, marked.present[0]].tolist() == expected, (place, is_regular(text))


# ------------------------------------------------------------------ the paper


def paper(report: str, distilled: str = "", **choices: object) -> tuple[Tokenizer, MaskedTexts]:
    tokenizer = of_words(report, distilled, "x")
    text = TrainingText(report=report, distilled=distilled)
    return tokenizer, MaskedTexts(tokenizer, [text], MaskedTextConfig(**choices))


def row(texts: MaskedTexts, step: int = 0) -> MaskedTextBatch:
    return texts.of(torch.tensor([0]), [0], seed=1, step=step)


def test_report_and_distilled_report_stand_one_behind_the_other() -> None:
    tokenizer, texts = paper("Small mass.", "There is small mass.")
    ids = row(texts).originals[0].tolist()
    assert tokenizer.decode(ids, skip_special_tokens=False) == (
        "[CLS] small mass . there is small mass ."
    )
    assert len(paper("Small mass.", "There is mass.", composition=ReportAlone())[1]) == 1
    _, alone = paper("Small mass.", "There is mass.", composition=ReportAlone())
    assert row(alone).originals.shape == (1, 4)


def test_descriptors_are_always_masked_and_others_as_often_as_said() -> None:
    report = "Lungs are well seen. There is no pleural effusion or masses."
    _, texts = paper(report, masking=DescriptorsAlways(ratio=0.3))
    chosen = torch.stack([row(texts, step).chosen[0] for step in range(400)]).double().mean(0)
    # [CLS] lungs are well seen . there is no pleural effusion or masses .
    always = [8, 9, 10, 11]  # no pleural (effusion), effusion or (masses)
    assert chosen[always].tolist() == [1.0] * 4
    assert chosen[0] == 0
    others = [place for place in range(1, 14) if place not in always]
    assert ((chosen[others] - 0.3).abs() < 0.1).all()


def test_every_word_is_masked_alike_without_descriptors() -> None:
    _, texts = paper("There is no pleural effusion.", masking=EveryWord(ratio=0.5))
    chosen = torch.stack([row(texts, step).chosen[0] for step in range(400)]).double().mean(0)
    assert ((chosen[1:] - 0.5).abs() < 0.12).all()


def test_the_pieces_of_a_word_are_masked_together_and_an_inflected_entity_is_one() -> None:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[MASK]", "small", "effusion", "##s", "seen", "are", "."]
    texts = MaskedTexts(
        published_like(pieces),
        [TrainingText(report="Seens are small effusions.")],
        MaskedTextConfig(masking=DescriptorsAlways(ratio=0.5)),
    )
    drawn = [row(texts, step).chosen[0].tolist() for step in range(50)]
    # [CLS] seen ##s are small effusion ##s .
    assert all(chosen[1] == chosen[2] and chosen[5] == chosen[6] for chosen in drawn)
    assert all(chosen[3] and chosen[4] for chosen in drawn)
    assert {chosen[1] for chosen in drawn} == {True, False}


def test_weights_of_negative_and_other_descriptors_add_up_to_their_number() -> None:
    # Denied: "is no" before pneumonia, "no pleural" before effusion. Other: "There is", "small".
    report = "There is no pneumonia. No pleural effusion. There is mass. Small nodule."
    _, texts = paper(report)
    weights = row(texts).weights[0]
    # [CLS] there is no pneumonia . no pleural effusion . there is mass . small nodule .
    other = (7 - 0.05 * 4) / 3
    expected = [1, 1, 0.05, 0.05, 1, 1, 0.05, 0.05, 1, 1, other, other, 1, 1, other, 1, 1]
    torch.testing.assert_close(weights, torch.tensor(expected))
    assert sum(expected[p] for p in (2, 3, 6, 7, 10, 11, 14)) == pytest.approx(7)


def test_denials_alone_keep_their_small_weight() -> None:
    _, texts = paper("No mass.", weights=RebalancedWeights(negative=0.1))
    torch.testing.assert_close(row(texts).weights[0], torch.tensor([1, 0.1, 1, 1]))


def test_even_weights_are_one() -> None:
    _, texts = paper("No mass.", weights=EvenWeights())
    assert row(texts).weights.tolist() == [[1.0] * 4]


def test_phrase_weights_of_the_specification_worked_by_hand() -> None:
    # D = 5 tokens of the phrase, M = d = 2: e = (0.95 * 3 + 2) / (2 - 1.9) = 48.5.
    report = "there is no evidence of pneumonia."
    tokenizer = of_words(report)
    texts = MaskedTexts(tokenizer, [TrainingText(report=report)], OFFICIAL)
    weights = published_draws({"seed": 0, "report": report}, texts, 0).weights[0, :8]
    expected = [1, 0.05, 0.05, 0.05, 0.05 * 48.5, 0.05 * 48.5, 1, 1]
    torch.testing.assert_close(weights, torch.tensor(expected))


def test_a_text_that_is_too_long_is_cut_and_short_ones_are_padded() -> None:
    tokenizer = of_words("one two three four five")
    texts = MaskedTexts(
        tokenizer,
        [TrainingText(report="one two three four five"), TrainingText(report="one")],
        MaskedTextConfig(length=4, composition=Concatenated()),
    )
    batch = texts.of(torch.tensor([0, 1]), [0, 1], seed=0, step=0)
    assert batch.originals.shape == (2, 4)
    assert batch.attention.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch.originals[1, 2:].tolist() == [0, 0]
    assert not batch.chosen[1, 2:].any()


def test_a_report_without_entities_is_masked_all_the_same() -> None:
    _, texts = paper("Please correlate with history.")
    chosen = torch.stack([row(texts, step).chosen[0] for step in range(400)]).double().mean(0)
    assert ((chosen[1:] - 0.75).abs() < 0.1).all()
    assert row(texts).weights.unique().tolist() == [1.0]


def test_an_entity_that_the_vocabulary_lacks_is_an_entity_by_its_word() -> None:
    tokenizer = of_words("there is no")
    texts = MaskedTexts(
        tokenizer, [TrainingText(report="there is no sarcoidosis")], MaskedTextConfig()
    )
    batch = row(texts)
    assert batch.originals.tolist() == [[2, *tokenizer.encode("there is no").ids, 1]]
    assert batch.chosen[0, 2:4].all()
    torch.testing.assert_close(batch.weights[0, 2:4], torch.tensor([0.05, 0.05]))


# ------------------------------------------------------------------ batches


def test_a_text_depends_on_seed_step_and_place_alone() -> None:
    tokenizer = of_words("small mass and no effusion or edema is seen in there .")
    reports = ["No effusion or edema.", "Small mass is seen.", "No mass in there. Edema."]
    texts = MaskedTexts(
        tokenizer,
        [TrainingText(report=report, distilled="There is mass.") for report in reports],
        MaskedTextConfig(composition=Inserted(), length=16, padded=True),
    )
    whole = texts.of(torch.tensor([2, 0, 1]), [4, 5, 6], seed=3, step=7)
    alone = texts.of(torch.tensor([1]), [6], seed=3, step=7)
    torch.testing.assert_close(whole.ids[2:], alone.ids)
    torch.testing.assert_close(whole.weights[2:], alone.weights)
    others = [
        texts.of(torch.tensor([1]), [place], seed=seed, step=step).ids.tolist()
        for seed, step, place in ((4, 7, 6), (3, 8, 6), (3, 7, 5))
    ]
    assert alone.ids.tolist() not in others


def test_the_masked_ids_are_the_originals_but_for_the_chosen() -> None:
    tokenizer, texts = paper("Small mass in the left lung. No effusion.")
    batch = row(texts)
    mask = tokenizer.token_to_id("[MASK]")
    torch.testing.assert_close(
        batch.ids, torch.where(batch.chosen, torch.tensor(mask), batch.originals)
    )
    moved = batch.to(torch.device("cpu"))
    assert moved.chosen.equal(batch.chosen)


def test_a_vocabulary_learnt_from_reports_serves_the_published_way_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports = ["There is no effusion. Small mass.", "Effusion and a mass are seen."] * 20
    tokenizer = train_wordpiece(reports, 200)
    texts = [TrainingText(report=report, distilled="There is mass.") for report in reports]
    batch = MaskedTexts(tokenizer, texts, OFFICIAL).of(torch.tensor([0]), [0], seed=0, step=0)
    assert batch.ids.shape == (1, 256)
    assert "The vocabulary lacks 42 of 44 entities" in caplog.messages[0]


def test_a_tokenizer_without_what_is_needed_is_refused() -> None:
    with pytest.raises(ModelError, match=r"The tokenizer lacks \[MASK\]"):
        MaskedTexts(published_like(["[PAD]", "[UNK]", "[CLS]"]), [], MaskedTextConfig())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaskedTextConfig(length=2), "length of a masked text must be at least 3, got 2"),
        (lambda: Inserted(probability=1.5), r"probability must be in \[0, 1\], got 1.5"),
        (lambda: DescriptorsAlways(ratio=-0.1), r"ratio must be in \[0, 1\], got -0.1"),
        (lambda: EveryWord(ratio=float("nan")), r"ratio must be in \[0, 1\], got nan"),
        (lambda: DescriptorsNever(entities=2.0), r"entities must be in \[0, 1\], got 2.0"),
        (lambda: RebalancedWeights(negative=0.0), "above 0 and at most 1, got 0.0"),
        (lambda: PhraseWeights(negative=2.0), "above 0 and at most 1, got 2.0"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
