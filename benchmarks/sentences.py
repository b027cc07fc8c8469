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
from sentence_scores import count, read_by, read_sentences

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


def main() -> None:
    """Measures, prints, and records if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", default="", help="of the rules, in words, for the row")
    parser.add_argument("--record", action="store_true", help="append rows to sentences.csv")
    options = parser.parse_args()
    sentences = read_sentences(Path(os.environ["CARINA_DATA"]) / "iu_reports" / "reports.jsonl")
    extractor = RuleExtractor(Lexicon.default())
    counted = [(s, count(s, read_by(extractor, s))) for s in sentences]
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
