"""How far the rules agree with 300 sentences of Open-i that were annotated by hand.

The sentences, their guideline and what counts as agreement are those of the tests
(`tests/report/annotated_sentences.md`, `sentence_scores.py`). One sentence comes from a report, so
that the intervals (95 %, percentiles of 2,000 bootstrap samples) are over reports.

    CARINA_DATA=... python benchmarks/sentences.py --state "before the rules saw them" --record
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from row import record

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))
from sentence_scores import Sentence, count, pairs, read_by, read_sentences, same_place

SEED = 0
SAMPLES = 2000
MEASURES = (
    ("assertions right of spans found", "asserted", "found"),
    ("present ones right", "asserted, present", "found, present"),
    ("absent ones right", "asserted, absent", "found, absent"),
    ("uncertain ones right", "asserted, uncertain", "found, uncertain"),
    ("span recall", "found", "annotated"),
    ("span precision", "at_a_span", "read"),
    ("names agree", "named", "found"),
    ("places agree", "placed", "found"),
    ("places agree where one is stated", "with_place, placed", "with_place"),
    ("severities agree where one is stated", "with_severity, graded", "with_severity"),
    ("changes agree where one is stated", "with_change, compared", "with_change"),
)


def interval(counts: list[Counter[str]], part: str, whole: str) -> tuple[float, float]:
    """Percentile interval of a ratio of sums, sentences drawn with replacement."""
    table = np.array([[c[part], c[whole]] for c in counts], dtype=float)
    drawn = np.random.default_rng(SEED).integers(0, len(table), (SAMPLES, len(table)))
    parts, wholes = table[drawn].sum(axis=1).T
    low, high = np.percentile(parts / np.maximum(wholes, 1), [2.5, 97.5])
    return float(low), float(high)


def show(sentence: Sentence, entities: list) -> None:
    """Prints what was annotated and read otherwise, or not at all."""
    text = sentence.body[sentence.start : sentence.end]
    print(f"\n{sentence.report} {sentence.section}: {text}")
    for seen, own in pairs(sentence.observations, entities):
        said = f"{seen.name} {seen.assertion}, place {seen.place}"
        read = "; ".join(f"{e.name} {e.assertion}, place {e.place}" for e in own) or "nothing"
        same = {e.assertion for e in own} == {seen.assertion}
        if not same or not same_place(seen.place, [e.place for e in own]):
            print(f"  {text[seen.start : seen.end]!r} is {said}; read: {read}")
    for entity, start, end in entities:
        if not any(start < o.end and o.start < end for o in sentence.observations):
            print(f"  {text[start:end]!r} is nothing; read: {entity.name} {entity.assertion}")


def main() -> None:
    """Measures, prints, and records if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", default="", help="of the rules, in words, for the row")
    parser.add_argument("--show", action="store_true", help="print what was read otherwise, too")
    parser.add_argument("--record", action="store_true", help="append rows to sentences.csv")
    options = parser.parse_args()
    sentences = read_sentences(Path(os.environ["CARINA_DATA"]) / "iu_reports" / "reports.jsonl")
    extractor = RuleExtractor(Lexicon.default())
    counted = [(s, count(s, read_by(extractor, s))) for s in sentences]
    for sentence in sentences if options.show else ():
        show(sentence, read_by(extractor, sentence))
    for group, chosen in (
        ("all", [c for _, c in counted]),
        ("train", [c for s, c in counted if s.split == "train"]),
        ("val+test", [c for s, c in counted if s.split != "train"]),
    ):
        total = sum(chosen, Counter())
        for measure, part, whole in MEASURES if group == "all" else MEASURES[:1]:
            low, high = interval(chosen, part, whole)
            value = total[part] / total[whole]
            words = f"{total[part]} of {total[whole]}"
            print(f"{group:<9} {measure:<38} {value:.3f} ({low:.3f} to {high:.3f})  {words}")
            if options.record:
                row = {"state": options.state, "sentences": len(chosen), "seed": SEED}
                row |= {"split": group, "measure": measure, "value": round(value, 4)}
                record("sentences", row | {"low": round(low, 4), "high": round(high, 4)})


if __name__ == "__main__":
    main()
