"""How well and how fast the rules read reports.

Quality: presence of 14 findings in the Indiana University reports, against gold labels made by
hand (NegBio's). The rules were mended on the train split; the test split was only measured.
Speed: reports a second of CPU time on one core, (a) with nothing remembered, (b) with a memory
that starts empty, as in the first pass over a corpus, (c) with every sentence met before.

    CARINA_DATA=... python benchmarks/entities.py --record
"""

import argparse
import csv
import json
import os
import statistics
import time
from collections import Counter
from pathlib import Path

from carina.report.entities import RuleExtractor
from carina.report.findings import IU_GOLD_14, NIH_14, findings_from_entities, label_values
from carina.report.lexicon import Lexicon
from carina.study import Assertion
from row import record

SECTIONS = ("comparison", "indication", "findings", "impression")
NOT_IN_GOLD = "Hernia"  # hernias are reported and never marked


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


def count(reports: dict, gold: dict, splits: tuple[str, ...], labels) -> dict[str, Counter]:
    """Right, wrong and missed presences of each label."""
    extractor = RuleExtractor(Lexicon.default())
    counts = {label: Counter() for label in labels.labels}
    for name, row in gold.items():
        if reports[name]["split"] not in splits:
            continue
        findings = findings_from_entities(extractor.extract(reports[name]["text"]))
        values = label_values(findings, labels)
        for label, counter in counts.items():
            said, true = values.get(label) is Assertion.PRESENT, row[label] == "1"
            counter["right"] += said and true
            counter["wrong"] += said and not true
            counter["missed"] += true and not said
    return counts


def f1(counts: list[Counter]) -> float:
    """Micro F1 of some labels."""
    total = sum(counts, Counter())
    return 2 * total["right"] / max(1, 2 * total["right"] + total["wrong"] + total["missed"])


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
    rows: list[dict[str, object]] = []
    for splits in (("train",), ("validate", "val"), ("test",), ("train", "val", "test")):
        counts = count(reports, gold, splits, IU_GOLD_14)
        known = [c for label, c in counts.items() if label != NOT_IN_GOLD]
        strict = count(reports, gold, splits, NIH_14)
        name = "+".join(splits) if len(splits) > 2 else splits[-1]
        for what, value in (
            ("f1", f1(list(counts.values()))),
            ("f1_without_hernia", f1(known)),
            ("f1_uncertain_not_counted", f1(list(strict.values()))),
        ):
            rows.append({"measure": f"{what} {name}", "value": round(value, 4), "spread": ""})
    print(f"{'label, all splits':<20} right wrong missed     F1")
    for label, c in counts.items():
        print(f"{label:<20} {c['right']:>5} {c['wrong']:>5} {c['missed']:>6} {f1([c]):>6.3f}")
    texts = [report["text"] for report in reports.values()]
    for what, rates in measure_speed(texts, options.repeats).items():
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        value = round(statistics.median(rates))
        rows.append({"measure": f"reports/s, remembered: {what}", "value": value, "spread": spread})
    for row in rows:
        print(f"{row['measure']:<45} {row['value']:>8} {row['spread']}")
        if options.record:
            record("entities", {"reports": len(reports), "seed": "", **row})


if __name__ == "__main__":
    main()
