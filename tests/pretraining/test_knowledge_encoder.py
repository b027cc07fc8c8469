from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models

from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError
from carina.knowledge.chest import chest_graph
from carina.knowledge.graph import ConceptGraph, ConceptKind
from carina.knowledge.pairs import AppearancePairs, OfficialPairs, TextPair
from carina.pretraining.knowledge_batches import BertNoise, NoNoise, by_length
from carina.pretraining.knowledge_contrast import (
    KinshipContrast,
    OfficialContrast,
    PaperContrast,
    same_concept,
)
from carina.pretraining.knowledge_encoder import KnowledgeStage
from carina.pretraining.similarity import SimilarityMap, in_a_row
from carina.pretraining.stage import PreparedStage, Stage, StageInputs
from carina.pretraining.text_source import BertText
from carina.studies.manifest import Manifest
from carina.study import Report, Study
from carina.training.objective import Place
from carina.training.settings import TrainingSettings

SMALL = TextEncoderConfig(
    vocabulary=4000,
    width=64,
    layers=1,
    heads=2,
    hidden=128,
    positions=96,
    max_tokens=96,
    dim=64,
    dropout=0.0,
)
SETTINGS = TrainingSettings(batch_size=8, steps=4)
SEEN = (ConceptKind.FINDING, ConceptKind.DISEASE, ConceptKind.DEVICE)


def stage_of(**changes: Any) -> KnowledgeStage:
    stage = KnowledgeStage(
        training=SETTINGS,
        encoder=SMALL,
        pairs=AppearancePairs(),
        contrast=KinshipContrast(),
    )
    return replace(stage, **changes)


def inputs_of(folder: Path, graph: ConceptGraph | None = None) -> StageInputs:
    study = Study(
        study_id="1",
        patient_id="1",
        source="test",
        radiographs=(),
        report=Report(text="Xiphisternal xiphisternal quux."),
    )

    def none(*_: object) -> Any:
        raise AssertionError("stage 1 needs no images and no earlier stage")

    return StageInputs(
        manifest=Manifest(folder / "m.parquet", folder, studies=(study,)),
        store=none,
        graph=graph or chest_graph(),
        finished={},
        load=none,
        folder=folder,
        seed=3,
        device=torch.device("cpu"),
    )


def prepared(stage: KnowledgeStage, folder: Path, graph: ConceptGraph | None = None) -> Any:
    torch.manual_seed(0)
    return stage.prepare(inputs_of(folder, graph))


def take_steps(made: PreparedStage, count: int) -> list[float]:
    optimiser = torch.optim.AdamW(made.objective.parameters(), lr=1e-3, weight_decay=0.02)
    losses = []
    for step in range(count):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 10)
        term = cast(Any, made.objective).losses(made.batches.batch(step, Place()))["knowledge"]
        loss = term.sum / term.count
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_the_stage_is_a_stage() -> None:
    assert isinstance(stage_of(), Stage)
    assert stage_of().name == "knowledge"


def ranks(encoder: TextEncoder, graph: ConceptGraph, ids: set[str]) -> list[int]:
    """For each of some concepts, the rank of its definition among all definitions."""
    defined = [concept for concept in graph.concepts if concept.definition]
    names = F.normalize(encoder.encode([c.name for c in defined if c.id in ids]), dim=1)
    texts = F.normalize(encoder.encode([c.definition for c in defined]), dim=1)
    right = [place for place, concept in enumerate(defined) if concept.id in ids]
    cosines = names @ texts.T
    return [int((row > row[place]).sum()) + 1 for row, place in zip(cosines, right, strict=True)]


def test_the_encoder_learns_definitions_and_guesses_those_it_never_read(tmp_path: Path) -> None:
    graph = chest_graph()
    seen = graph.of_kind(*SEEN)
    held_out = {concept.id for concept in seen[3::5]}
    known = {concept.id for concept in seen} - held_out
    hidden = ConceptGraph(
        concepts=tuple(
            replace(concept, definition="") if concept.id in held_out else concept
            for concept in graph.concepts
        ),
        relations=graph.relations,
    )
    training = replace(SETTINGS, batch_size=48)
    made = prepared(stage_of(training=training), tmp_path, hidden)
    encoder = made.trained
    losses = take_steps(made, 120)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 1.2
    # Of 213 definitions a guess by chance has the mean rank 107.
    assert np.mean(ranks(encoder, graph, known)) < 12
    assert np.mean(ranks(encoder, graph, held_out)) < 60

    texts = encoder.encode([graph.find(n).definition for n in ("effusion", "nodule", "scoliosis")])
    (name,) = encoder.encode(["pleural effusion"])
    assert F.cosine_similarity(name[None], texts).argmax() == 0

    made.finish(tmp_path)
    picture = (tmp_path / "similarity.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "pneumothorax" in picture


def test_the_contrast_is_taken_in_float32_whatever_the_precision_around_it(tmp_path: Path) -> None:
    made = prepared(stage_of(), tmp_path)
    objective, batch = cast(Any, made.objective), made.batches.batch(0, Place())
    given: list[torch.Tensor] = []
    objective.contrast.register_forward_pre_hook(lambda module, entered: given.extend(entered))
    with torch.autocast("cpu", torch.bfloat16):
        term = objective.losses(batch)["knowledge"]
        assert given[0].dtype == torch.float32
    torch.testing.assert_close(term.sum, objective.contrast(*given[:3]).sum, rtol=0, atol=0)


def test_a_batch_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    made = prepared(stage_of(noise=BertNoise()), tmp_path)
    whole = made.batches.batch(5, Place())
    halves = [made.batches.batch(5, Place(rank=rank, processes=2)) for rank in range(2)]
    for half in halves:
        torch.testing.assert_close(half.likeness, whole.likeness)
    assert whole.names == halves[0].names + halves[1].names

    def texts(batch: Any) -> list[list[int]]:
        rows = [
            ids[: int(mask.sum())].tolist()
            for piece in batch.pieces
            for ids, mask in zip(piece.ids, piece.mask, strict=True)
        ]
        return [rows[place] for place in batch.places]

    all_texts, parts = texts(whole), [texts(half) for half in halves]
    assert all_texts[:8] == parts[0][:4] + parts[1][:4]
    assert all_texts[8:] == parts[0][4:] + parts[1][4:]


def test_a_prepared_stage_is_the_same_again(tmp_path: Path) -> None:
    first = prepared(stage_of(), tmp_path)
    vocabulary = (tmp_path / "tokenizer.json").read_bytes()
    second = prepared(stage_of(), tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == vocabulary
    assert take_steps(first, 2) == take_steps(second, 2)


def test_the_vocabulary_knows_graph_and_reports(tmp_path: Path) -> None:
    made = prepared(stage_of(), tmp_path)
    ids = made.trained.tokenize(["pneumothorax", "quux"]).ids
    assert made.trained.tokenizer.token_to_id("[UNK]") not in ids.flatten().tolist()
    assert len(made.trained.tokenizer.encode("pneumothorax").ids) == 3


def test_a_given_tokenizer_is_used(tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    path.write_text(train_wordpiece(["lung heart"] * 5, 60).to_str(), encoding="utf-8")
    made = prepared(stage_of(text=BertText(tokenizer=str(path))), tmp_path)
    assert made.trained.tokenizer.get_vocab_size() <= 60
    assert not (tmp_path / "tokenizer.json").exists()


def test_a_published_encoder_is_read_from_a_folder(
    tmp_path: Path, publish: Callable[..., Path]
) -> None:
    source = TextEncoder(SMALL, train_wordpiece(["lung heart"] * 5, 60))
    folder = publish(source, tmp_path / "bert")
    sizes = replace(SMALL, dim=16, max_tokens=32)
    made = prepared(stage_of(encoder=sizes, text=BertText(pretrained=str(folder))), tmp_path)
    torch.testing.assert_close(
        made.trained.bert.embeddings.word_embeddings.weight,
        source.bert.embeddings.word_embeddings.weight,
    )
    assert made.trained.config.dim == 16


def pair(concept: str, match: str) -> TextPair:
    return TextPair(first="x", second="y", concept=concept, match=match)


def test_pairs_that_match_nothing_match_themselves() -> None:
    pairs = [pair("a", "C1"), pair("b", ""), pair("b", ""), pair("c", "C1")]
    expected = [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    np.testing.assert_array_equal(same_concept(pairs), expected)


def unit(degrees: list[float]) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_the_papers_loss_equals_value_worked_by_hand() -> None:
    # Texts at 0, 90 (first) and 0, 90 degrees (second), temperature 1: each text has one positive
    # of cosine 1 and two others of cosine 0, so each costs log(e + 2) - 1.
    term = PaperContrast(temperature=1.0).loss()(unit([0, 90]), unit([0, 90]), torch.eye(2))
    assert float(term.sum / term.count) == pytest.approx(np.log(np.e + 2) - 1, abs=1e-6)


def test_kinship_targets_equal_value_worked_by_hand() -> None:
    # Likeness 0.5, sharing 0.4: targets 1 / 1.2 and 0.2 / 1.2. Cosines 1 and 0 at temperature 1
    # cost (log(e + 1) - 1) and log(e + 1).
    likeness = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    loss = KinshipContrast(temperature=1.0, sharing=0.4).loss()
    term = loss(unit([0, 90]), unit([0, 90]), likeness)
    expected = np.log(np.e + 1) - 1 / 1.2
    assert float(term.sum / term.count) == pytest.approx(expected, abs=1e-6)


def test_without_sharing_kinship_is_plain_contrast() -> None:
    first, second = unit([0, 50, 120]), unit([10, 70, 100])
    term = KinshipContrast(temperature=0.5, sharing=0.0).loss()(
        first, second, torch.tensor([[1.0, 0.7, 0], [0.7, 1, 0], [0, 0, 1]])
    )
    logits, rows = first @ second.T / 0.5, torch.arange(3)
    expected = (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, rows)) / 2
    assert float(term.sum / term.count) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(("given", "used"), [(9.0, np.log(100)), (-3.0, 0.0), (2.0, 2.0)])
def test_the_published_scale_stays_between_1_and_100(given: float, used: float) -> None:
    loss = OfficialContrast().loss()
    assert loss.logit_scale.item() == pytest.approx(np.log(1 / 0.07), abs=1e-6)
    with torch.no_grad():
        loss.logit_scale.fill_(given)
    loss(unit([0, 90]), unit([0, 90]), torch.eye(2))
    assert loss.logit_scale.item() == pytest.approx(used, abs=1e-6)


def test_bert_noise_comes_as_often_as_published() -> None:
    tokenizer = train_wordpiece([" ".join(f"word{number}" for number in range(300))] * 3, 600)
    first, last, mask = (tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[MASK]"))
    word = tokenizer.get_vocab_size() - 1
    texts = [[first, *[word] * 98, last]] * 10
    noisy, changes = 0, Counter[str]()
    random = np.random.default_rng(0)
    for _ in range(200):
        after = BertNoise().corrupted(texts, tokenizer, random)
        noisy += after != texts
        for text in after:
            assert text[0] == first
            assert text[-1] == last
            changes["mask"] += text.count(mask)
            changes["other"] += sum(token not in (first, last, mask, word) for token in text)
    tokens = noisy * 10 * 98
    assert 75 <= noisy <= 125  # half of 200, give or take 3.5 deviations
    assert changes["mask"] / tokens == pytest.approx(0.15 * 0.8, abs=0.005)
    assert changes["other"] / tokens == pytest.approx(0.15 * 0.1, abs=0.002)


def test_no_noise_changes_nothing() -> None:
    texts = [[2, 7, 3]]
    tokenizer = train_wordpiece(["a b"], 20)
    assert NoNoise().corrupted(texts, tokenizer, np.random.default_rng(0)) == texts


def test_texts_of_like_length_go_together_and_are_found_again() -> None:
    texts = [[1] * length for length in (9, 2, 5, 2, 8, 1, 1, 3)]
    pieces, places = by_length(texts, 0)
    assert [piece.ids.shape[1] for piece in pieces] == [1, 2, 5, 9]
    rows = [int(length) for piece in pieces for length in piece.mask.sum(1)]
    assert [rows[place] for place in places] == [len(text) for text in texts]


@pytest.mark.parametrize("contrast", [PaperContrast, KinshipContrast])
@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_cannot_divide_is_refused(contrast: Any, temperature: float) -> None:
    with pytest.raises(ConfigError, match="temperature must be > 0"):
        contrast(temperature=temperature)


@pytest.mark.parametrize("sharing", [-0.1, 1.1, float("nan")])
def test_a_sharing_outside_its_range_is_refused(sharing: float) -> None:
    with pytest.raises(ConfigError, match="sharing must be in"):
        KinshipContrast(sharing=sharing)


def test_noise_needs_a_tokenizer_with_masks() -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    seed = next(seed for seed in range(9) if np.random.default_rng(seed).random() < 0.5)
    with pytest.raises(ConfigError, match=r"has no \[PAD\]"):
        BertNoise().corrupted([[1]], tokenizer, np.random.default_rng(seed))


def test_the_official_form_runs_on_a_graph_without_identifiers(tmp_path: Path) -> None:
    stage = stage_of(pairs=OfficialPairs(), contrast=OfficialContrast(), noise=BertNoise())
    made = prepared(stage, tmp_path)
    assert all(np.isfinite(take_steps(made, 2)))
    assert made.batches.steps_per_epoch == -(-made.batches._sampler.size // 8)


def test_the_row_of_names_goes_from_like_to_like() -> None:
    likeness = np.array([[1, 0.1, 0.9], [0.1, 1, 0.5], [0.9, 0.5, 1]], dtype=np.float32)
    assert in_a_row(["a", "b", "c"], likeness) == ["a", "c", "b"]


def test_the_similarity_map_shows_findings_each_once() -> None:
    names = SimilarityMap.of(chest_graph()).names
    assert len(set(names)) == len(names) == 36
    assert "hydropneumothorax" in names
