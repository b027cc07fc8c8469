"""How well and how fast the rules read reports.

Quality: presence of 14 findings in the Indiana University reports, against gold labels made by
hand (NegBio's). The rules were mended on the train and val splits (dev) and, in the end, on 300
sentences (benchmarks/sentences.py), of which some come from reports of test.
Speed: reports a second of CPU time on one core, (a) with nothing remembered, (b) with a memory
that starts empty, as in the first pass over a corpus, (c) with every sentence met before; and
from (b) the seconds that MIMIC-CXR's 227,835 reports would take on two cores, an extrapolation:
each of them is taken for three times as long as one of these.

    CARINA_DATA=... python benchmarks/entities.py --record
"""

import argparse
import csv
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from carina.report.entities import RuleExtractor
from carina.report.findings import (
    IU_GOLD_14,
    NIH_14,
    LabelSet,
    coded_findings,
    findings_from_entities,
    label_values,
)
from carina.report.lexicon import Lexicon
from carina.study import Assertion
from row import record

SECTIONS = ("comparison", "indication", "findings", "impression")
NOT_IN_GOLD = "Hernia"  # hernias are reported and never marked
FREQUENT = 30
MIMIC_REPORTS, MIMIC_LENGTH, CORES = 227_835, 3, 2
SEED = 0
BOOTSTRAP_SAMPLES = 1000


def read_reports(folder: Path) -> dict[str, dict[str, str]]:
    """Records by id, with the sections put together under their headers."""
    records = map(json.loads, (folder / "reports.jsonl").read_text(encoding="utf-8").splitlines())
    return {
        r["id"]: {
            "split": r["split"],
            "text": "\n".join(f"{s.upper()}: {r[s]}" for s in SECTIONS if r[s]),
        }
        for r in records
    }


def read_gold(folder: Path) -> dict[str, dict[str, str]]:
    """Gold labels by report id."""
    with (folder / "gold_labels_14.csv").open(encoding="utf-8", newline="") as handle:
        return {row["filename"]: row for row in csv.DictReader(handle)}


class Counted(NamedTuple):
    """Right, wrong and missed presences [reports, labels]."""

    right: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray

    def f1(self, rows: np.ndarray, columns: list[int]) -> tuple[float, float]:
        """Micro and macro F1 of some labels over some reports, which may repeat."""
        right, wrong, missed = (part[rows][:, columns].sum(axis=0) for part in self)
        micro = 2 * right.sum() / max(1, (2 * right + wrong + missed).sum())
        return float(micro), float((2 * right / np.maximum(1, 2 * right + wrong + missed)).mean())


def count(reports: dict, gold: dict, labels: LabelSet, find: Callable) -> Counted:
    """What was said and what is true of every label: rows are the marked reports."""
    extractor = RuleExtractor(Lexicon.default())
    said = np.zeros((len(gold), len(labels.labels)), bool)
    for row, name in enumerate(gold):
        text = reports[name]["text"]
        values = label_values(find(extractor.extract(text), text), labels)
        said[row] = [values.get(label) is Assertion.PRESENT for label in labels.labels]
    true = np.array([[row[label] == "1" for label in labels.labels] for row in gold.values()])
    return Counted(said & true, said & ~true, true & ~said)


def with_interval(counted: Counted, rows: np.ndarray, columns: list[int]) -> tuple[str, ...]:
    """Micro F1, its 95 % interval, macro F1 and its interval; reports are drawn again."""
    generator = np.random.default_rng(SEED)
    draws = [
        counted.f1(generator.choice(rows, len(rows)), columns) for _ in range(BOOTSTRAP_SAMPLES)
    ]
    ends = np.percentile(draws, (2.5, 97.5), axis=0)
    texts = []
    for value, low, high in zip(counted.f1(rows, columns), *ends, strict=True):
        texts += [f"{value:.4f}", f"{low:.3f} to {high:.3f}"]
    return tuple(texts)


def measure_quality(reports: dict, gold: dict) -> list[dict[str, object]]:
    """F1 of the part that the rules were mended on, of the part held out, and of all."""
    labels = list(IU_GOLD_14.labels)
    counted = count(reports, gold, IU_GOLD_14, coded_findings)
    strict = count(reports, gold, NIH_14, lambda entities, text: findings_from_entities(entities))
    held_out = np.array([reports[name]["split"] == "test" for name in gold])
    positives = (counted.right | counted.missed).sum(axis=0)
    marked = [i for i, label in enumerate(labels) if label != NOT_IN_GOLD]
    frequent = [i for i in marked if positives[i] >= FREQUENT]
    rows: list[dict[str, object]] = []
    for part, chosen in (("dev", ~held_out), ("test", held_out), ("all", held_out | ~held_out)):
        where = np.flatnonzero(chosen)
        for what, columns, counts in (
            ("13 labels", marked, counted),
            (f"labels with >= {FREQUENT} positives", frequent, counted),
            ("14 labels with Hernia", [*range(len(labels))], counted),
            ("13 labels, no hedge counted", marked, strict),
        ):
            micro, micro_spread, macro, macro_spread = with_interval(counts, where, columns)
            rows.append(
                {"measure": f"micro f1 {part}, {what}", "value": micro, "spread": micro_spread}
            )
            rows.append(
                {"measure": f"macro f1 {part}, {what}", "value": macro, "spread": macro_spread}
            )
    print(f"{'label':<20} {'':>4} right wrong missed     F1")
    for i, label in enumerate(labels):
        for part, chosen in (("dev", ~held_out), ("test", held_out)):
            sums = [int(kind[chosen, i].sum()) for kind in counted]
            value = counted.f1(np.flatnonzero(chosen), [i])[0]
            print(f"{label:<20} {part:>4} {sums[0]:>5} {sums[1]:>5} {sums[2]:>6} {value:>6.3f}")
    return rows


def reports_per_second(extractor: RuleExtractor, texts: list[str]) -> float:
    """CPU-time rate of one pass."""
    started = time.process_time()
    for text in texts:
        extractor.extract(text)
    return len(texts) / (time.process_time() - started)


def measure_speed(texts: list[str], repeats: int) -> dict[str, list[float]]:
    """Rates of each pass, kept apart by what was remembered."""
    lexicon = Lexicon.default()
    rates: dict[str, list[float]] = {"nothing": [], "first_pass": [], "all": []}
    for _ in range(repeats):
        rates["nothing"].append(reports_per_second(RuleExtractor(lexicon, remember=False), texts))
        extractor = RuleExtractor(lexicon)
        rates["first_pass"].append(reports_per_second(extractor, texts))
        rates["all"].append(reports_per_second(extractor, texts))
    return rates


def main() -> None:
    """Measures, prints, and records if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--record", action="store_true", help="append rows to entities.csv")
    options = parser.parse_args()
    folder = Path(os.environ["CARINA_DATA"]) / "iu_reports"
    reports, gold = read_reports(folder), read_gold(folder)
    rows = measure_quality(reports, gold)
    texts = [report["text"] for report in reports.values()]
    for what, rates in measure_speed(texts, options.repeats).items():
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        value = round(statistics.median(rates))
        rows.append({"measure": f"reports/s, remembered: {what}", "value": value, "spread": spread})
        if what == "first_pass":
            seconds = [MIMIC_REPORTS * MIMIC_LENGTH / rate / CORES for rate in rates]
            rows.append(
                {
                    "measure": "s for MIMIC-CXR on two cores, extrapolated",
                    "value": round(statistics.median(seconds)),
                    "spread": f"{min(seconds):.0f} to {max(seconds):.0f}",
                }
            )
    for row in rows:
        print(f"{row['measure']:<45} {row['value']:>8} {row['spread']}")
        if options.record:
            record("entities", {"reports": len(reports), "seed": SEED, **row})


if __name__ == "__main__":
    main()
