"""How fast training texts for masked language modelling are made, beside the per-token way.

Real reports (Indiana University) with what the rules distil of them, 256 tokens, as ECAMP's
published code composes, weighs and masks them: (a) the per-token way in Python, in which that
code is arranged: every sample is tokenized, its weights and masks are found token by token;
(b) ours, with texts read once before. The paper's choices are timed as well. CPU time of one
core, medians of interleaved repeats; `reading_ms` is what ours needs once for each report.

    CARINA_DATA=... CARINA_VOCAB=... python benchmarks/masked_text.py --record
"""

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer

from carina.encoders.tokenizer import load_tokenizer
from carina.pretraining.masked_text import MaskedTextConfig, MaskedTexts
from carina.pretraining.text_composition import Inserted, TrainingText
from carina.pretraining.text_marks import TokenMarks
from carina.pretraining.text_masking import DescriptorsNever
from carina.pretraining.text_weights import PhraseWeights
from carina.report.distill import distil
from carina.report.entities import RuleExtractor
from carina.report.entity_words import entity_names
from carina.report.lexicon import Lexicon
from row import record

LENGTH, BATCH, TEXTS, REPEATS = 256, 256, 1024, 5
PHRASES = (("there", "is", "no", "evidence", "of"), ("there", "is", "no"))
OFFICIAL = MaskedTextConfig(
    padded=True,
    composition=Inserted(),
    marks=TokenMarks(),
    masking=DescriptorsNever(),
    weights=PhraseWeights(),
)


def read_texts(folder: Path) -> list[TrainingText]:
    """Findings and impression of the reports, and their distilled sentences."""
    rules = RuleExtractor(Lexicon.default())
    lines = (folder / "iu_reports" / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    texts = []
    for row in map(json.loads, lines):
        report = " ".join(row[name] for name in ("findings", "impression") if row[name]).lower()
        if report:
            texts.append(TrainingText(report=report, distilled=distil(rules.extract(report))))
    return texts[:TEXTS]


class PerToken:
    """One text at a time, one token at a time, with ids in a tensor."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.pieces = {number: piece for piece, number in tokenizer.get_vocab().items()}
        self.entities = {tokenizer.token_to_id(name) for name in entity_names()}
        self.phrases = [[tokenizer.token_to_id(word) for word in words] for words in PHRASES]
        self.stop, self.mask = tokenizer.token_to_id("."), tokenizer.token_to_id("[MASK]")

    def compose(self, text: TrainingText) -> str:
        """The report with the distilled text at a random full stop."""
        if random.random() >= 0.8:
            return text.report.replace("..", ".")
        pieces = text.report.split(".")
        place = random.randint(0, len(pieces))
        parts = [f"{piece}." for piece in pieces]
        return "".join((*parts[:place], text.distilled, *parts[place:])).replace("..", ".")

    def make(self, text: TrainingText) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids, originals and weights of one text."""
        self.tokenizer.enable_truncation(LENGTH)
        self.tokenizer.enable_padding(length=LENGTH)
        read = self.tokenizer.encode(f"[CLS] {self.compose(text)}", add_special_tokens=False)
        ids = torch.tensor(read.ids)
        entities = [p for p in range(LENGTH) if ids[p].item() in self.entities]
        descriptors: list[int] = []
        for place in entities:
            for before in (place - 1, place - 2):
                if before > 0 and ids[before] != self.stop and before not in descriptors:
                    descriptors.append(before)
        weights = self.weigh(ids, descriptors)
        return self.masked(ids, entities, descriptors), ids, weights

    def weigh(self, ids: torch.Tensor, descriptors: list[int]) -> torch.Tensor:
        """Weights of negative phrases and descriptors."""
        weights, denied, place = torch.ones(LENGTH), [], 0
        while place < LENGTH:
            for phrase in self.phrases:
                if ids[place : place + len(phrase)].tolist() == phrase:
                    denied += range(place, place + len(phrase))
                    place += len(phrase) - 1
                    break
            place += 1
        for token in denied:
            weights[token] = 0.05
        both = sum(token in descriptors for token in denied)
        if denied and descriptors:
            count = len(descriptors)
            more = (0.95 * (len(denied) - both) + count) / (count - 0.95 * both)
            for token in descriptors:
                weights[token] *= more
        elif denied:
            weights *= LENGTH / (LENGTH - 0.95 * len(denied))
        return weights

    def masked(self, ids: torch.Tensor, entities: list[int], known: list[int]) -> torch.Tensor:
        """The ids with masks; draws in the published order."""
        masked, ratio = ids.clone(), 0.7 if entities else 0.75
        for place in range(1, LENGTH - 1):
            number = ids[place].item()
            if number == 0:
                break
            if self.pieces[number].startswith("##"):
                if masked[place - 1] == self.mask:
                    masked[place] = self.mask
            elif random.random() < ratio and place not in entities:
                masked[place] = self.mask
        for place in entities:
            if random.random() < 0.75:
                masked[place] = self.mask
        return masked


def cpu_ms(work: Callable[[], object], texts: int) -> float:
    """CPU milliseconds a text."""
    start = time.process_time()
    work()
    return (time.process_time() - start) / texts * 1000


def main() -> None:
    """Times both ways and prints, or records, a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = read_texts(Path(os.environ["CARINA_DATA"]))
    path = Path(os.environ["CARINA_VOCAB"]) / "ecamp_mimic_wordpiece.json"
    start = time.process_time()
    ours = MaskedTexts(load_tokenizer(path), texts, OFFICIAL)
    reading = (time.process_time() - start) / len(texts) * 1000
    paper = MaskedTexts(load_tokenizer(path), texts, MaskedTextConfig())
    plain = PerToken(Tokenizer.from_file(str(path)))
    rows = torch.arange(BATCH)
    ways = {
        "per_token": lambda step: [plain.make(text) for text in texts[:BATCH]],
        "ours": lambda step: ours.of(rows, range(BATCH), seed=0, step=step),
        "ours_paper": lambda step: paper.of(rows, range(BATCH), seed=0, step=step),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for step in range(REPEATS + 1):
        for name, way in ways.items():
            spent = cpu_ms(lambda way=way, step=step: way(step), BATCH)
            if step:  # the first warms up
                times[name].append(spent)
    found = {f"{name}_ms": f"{statistics.median(spent):.4f}" for name, spent in times.items()}
    ratios = [slow / fast for slow, fast in zip(times["per_token"], times["ours"], strict=True)]
    row: dict[str, object] = {
        "texts": len(texts),
        "batch": BATCH,
        **found,
        "faster": f"{statistics.median(ratios):.1f}",
        "faster_least": f"{min(ratios):.1f}",
        "reading_ms": f"{reading:.3f}",
    }
    print(json.dumps(row, indent=1))
    if arguments.record:
        print(record("masked_text", row))


if __name__ == "__main__":
    main()
