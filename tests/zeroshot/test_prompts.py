"""Prompts: what a finding is turned into, and what becomes of their embeddings."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from carina.errors import ConfigError
from carina.zeroshot.prompts import (
    PROMPT_SETS,
    OwnPrompts,
    PromptSet,
    choose_prompts,
    encode_prompts,
)
from carina.zeroshot.protocol import Query

VECTORS = {
    "mass": [3.0, 4.0],
    "a mass": [0.0, 2.0],
    "no mass": [1.0, 0.0],
    "edema": [5.0, 0.0],
    "a edema": [5.0, 0.0],
    "no edema": [0.0, 3.0],
}
BOTH = PromptSet(positive=("{name}", "a {name}"), negative=("no {name}",))


class Embedder:
    """Looks texts up in a table, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Tensor:
        self.asked.append(list(texts))
        return torch.tensor([VECTORS[text] for text in texts])


def test_an_ensemble_is_the_mean_of_its_prompts() -> None:
    positive, negative = encode_prompts(
        Embedder(), [Query("mass"), Query("Edema")], BOTH, unit=False
    )
    torch.testing.assert_close(positive, torch.tensor([[1.5, 3.0], [5.0, 0.0]]))
    torch.testing.assert_close(negative, torch.tensor([[1.0, 0.0], [0.0, 3.0]]))


def test_for_cosines_each_prompt_counts_by_its_direction_alone() -> None:
    positive, negative = encode_prompts(Embedder(), [Query("mass")], BOTH, unit=True)
    # (0.6, 0.8) and (0, 1): their mean is (0.3, 0.9), of length 0.948683.
    torch.testing.assert_close(positive, torch.tensor([[0.316228, 0.948683]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(negative, torch.tensor([[1.0, 0.0]]))


def test_every_text_is_embedded_once_in_one_call() -> None:
    embed = Embedder()
    twice = PromptSet(positive=("{name}", "mass"), negative=("no mass",))
    encode_prompts(embed, [Query("mass"), Query("edema")], twice, unit=False)
    assert embed.asked == [["mass", "no mass", "edema"]]


def test_without_negative_prompts_there_is_nothing_to_compare_with() -> None:
    positive, negative = encode_prompts(Embedder(), [Query("mass")], PROMPT_SETS["name"], unit=True)
    torch.testing.assert_close(positive, torch.tensor([[0.6, 0.8]]))
    assert negative.tolist() == [[0.0, 0.0]]


def test_a_description_goes_where_the_name_goes() -> None:
    query = Query("COVID-19", description="patchy opacities")
    assert PROMPT_SETS["biovil"].pairs(query) == (
        ("Findings suggesting covid-19: patchy opacities",),
        ("No evidence of covid-19: patchy opacities",),
    )


def test_a_finding_with_prompts_of_its_own_does_not_use_the_templates() -> None:
    prompts = PromptSet(
        positive=("{name}",), own=(OwnPrompts(finding="Mass", positive=("a lump",)),)
    )
    assert prompts.pairs(Query("mass")) == (("a lump",), ())
    assert prompts.pairs(Query("edema")) == (("edema",), ())


def test_gloria_combines_severity_kind_and_place() -> None:
    gloria = PROMPT_SETS["gloria"]
    # The published lists: 3 x 7 x 10, 15, 4 x 6 x 8 and 6 x 3; of the 6 x 3 x 3 of effusion one
    # kind is listed twice.
    counts = {own.finding: len(own.positive) for own in gloria.own}
    assert counts == {
        "atelectasis": 210,
        "cardiomegaly": 15,
        "consolidation": 192,
        "edema": 18,
        "pleural effusion": 36,
    }
    positive, negative = gloria.pairs(Query("Atelectasis"))
    assert "mild linear atelectasis at the left lower lobe" in positive
    assert negative == ()
    assert gloria.pairs(Query("hernia")) == (("hernia",), ())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PromptSet(positive=()), "no positive prompt"),
        (lambda: PromptSet(positive=("a {finding}",)), r"asks for \['finding'\]"),
        (lambda: PromptSet(positive=("{}",)), r"asks for \[''\]"),
        (lambda: PromptSet(positive=("{name}",), negative=("no {name",)), "not closed"),
    ],
)
def test_templates_that_cannot_be_filled_are_refused(build, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


def test_braces_of_a_query_are_left_alone() -> None:
    assert PROMPT_SETS["chexzero"].pairs(Query("{name} {x}")) == (
        ("{name} {x}",),
        ("no {name} {x}",),
    )


def test_only_a_model_that_asks_by_prompts_takes_others() -> None:
    class Prompted:
        prompts = BOTH

    model = Prompted()
    choose_prompts(model, "biovil")
    assert model.prompts is PROMPT_SETS["biovil"]
    with pytest.raises(ConfigError, match="There is no prompt set 'clip'; expected one of name"):
        choose_prompts(model, "clip")
    with pytest.raises(ConfigError, match="A Embedder is asked by the name of a finding"):
        choose_prompts(Embedder(), "maco")


@pytest.mark.parametrize(
    ("data", "name"), [("nih", "maco"), ("rsna", "maco"), ("siim", "maco-pneumothorax")]
)
def test_prompts_equal_the_official_ones_parity_maco(
    parity_dir: Path, data: str, name: str
) -> None:
    recorded = json.loads((parity_dir / "maco" / "manifest.json").read_text())["zeroshot_prompts"]
    assert recorded[data]
    for finding, prompts in recorded[data].items():
        expected = (tuple(prompts["pos"]), tuple(prompts["neg"]))
        assert PROMPT_SETS[name].pairs(Query(finding)) == expected


def test_token_ids_of_prompts_equal_the_official_ones_parity_maco(
    parity_dir: Path, vocab_dir: Path
) -> None:
    recorded = json.loads((parity_dir / "maco" / "manifest.json").read_text())["tokenization"]
    tokenizer = Tokenizer.from_file(str(vocab_dir / "maco_mimic_wordpiece.json"))
    ids = {case["text"]: case["ids"] for case in recorded}
    asked = {
        text
        for name in ("atelectasis", "pleural thickening", "hernia")
        for side in PROMPT_SETS["maco"].pairs(Query(name))
        for text in side
    }
    assert asked <= set(ids)
    for text, expected in ids.items():
        assert tokenizer.encode(f"[CLS] {text}").ids == expected
