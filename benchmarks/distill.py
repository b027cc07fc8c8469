"""How fast the rules distil reports, and what becomes of the reports.

The Indiana University reports, on one core: reading them and distilling them, with a memory that
starts empty, as in the first pass over a corpus; the seconds that MIMIC-CXR's 227,835 reports
would take on two cores are an extrapolation, which takes each of them for three times as long as
one of these. Beside it the check of distilled sentences, and how many of our own it refuses: what
the rules distil of a report must hold against it.

    CARINA_DATA=... python benchmarks/distill.py --record
"""

import argparse
import json
import os
import statistics
import time
from collections import Counter
from pathlib import Path

from carina.report.distill import distil
from carina.report.distilled_check import FOREIGN, FOREIGN_DEGREE, DistilledCheck, split_distilled
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from row import record

MIMIC_REPORTS, MIMIC_LENGTH, CORES, REPEATS = 227_835, 3, 2, 5


def read_reports(folder: Path) -> list[str]:
    """All reports with findings or impression, under their headers."""
    lines = (folder / "iu_reports" / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    texts = (
        "\n".join(
            f"{name.upper()}: {row[name]}" for name in ("findings", "impression") if row[name]
        )
        for row in map(json.loads, lines)
    )
    return [text for text in texts if text]


def main() -> None:
    """Times, counts, and prints or records a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    reports = read_reports(Path(os.environ["CARINA_DATA"]))
    seconds = []
    for _ in range(REPEATS):
        rules = RuleExtractor(Lexicon.default())
        start = time.process_time()
        distilled = [distil(rules.extract(text)) for text in reports]
        seconds.append(time.process_time() - start)
    check, counts = DistilledCheck(Lexicon.default()), Counter[str]()
    start = time.process_time()
    for text, report in zip(distilled, reports, strict=True):
        counts.update(check.check(text, report).counts)
    checking = time.process_time() - start
    swapped = Counter[str]()
    for text, report in zip(distilled, reports[1:] + reports[:1], strict=True):
        swapped.update(check.check(text, report).counts)
    sentences = [sentence for text in distilled for sentence in split_distilled(text)[0]]
    share = MIMIC_REPORTS * MIMIC_LENGTH / len(reports) / CORES
    row: dict[str, object] = {
        "reports": len(reports),
        "reports_per_cpu_s": f"{len(reports) / statistics.median(seconds):.0f}",
        "mimic_two_cores_s": f"{statistics.median(seconds) * share:.0f}",
        "slowest_mimic_two_cores_s": f"{max(seconds) * share:.0f}",
        "check_reports_per_cpu_s": f"{len(reports) / checking:.0f}",
        "sentences": len(sentences),
        "present": sum(s.split()[2] != "no" and "may" not in s.split()[:2] for s in sentences),
        "absent": sum(s.split()[2] == "no" for s in sentences),
        "uncertain": sum(s.startswith("There may") for s in sentences),
        "refused": counts[FOREIGN] + counts[FOREIGN_DEGREE],
        "refused_of_another_report": swapped[FOREIGN] + swapped[FOREIGN_DEGREE],
    }
    print(json.dumps(row, indent=1))
    if arguments.record:
        print(record("distill", row))


if __name__ == "__main__":
    main()
