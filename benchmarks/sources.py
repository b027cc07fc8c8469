"""How well sources of entities that need no server read reports, and how fast.

Presence of 13 findings in the Indiana University reports, against gold labels made by hand
(NegBio's): our rules, and KAD's heuristics over the embedded graph and over two ontologies. Every
source is counted in the same way: present is what a report calls present, without the gold
labels' own habits that `entities.py` knows. Only the test split counts: our rules were mended on
the others. Speed: reports a second of CPU time on one core, rules without memory of sentences.

    CARINA_DATA=... python benchmarks/sources.py --record
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np

from carina.annotation.umls import ConceptExtractor
from carina.knowledge.chest import chest_graph
from carina.knowledge.sources import read_sources
from carina.report.entities import Extractor, RuleExtractor
from carina.report.findings import NIH_14, findings_from_entities, label_values
from carina.report.lexicon import Lexicon
from carina.study import Assertion
from entities import NOT_IN_GOLD, SEED, Counted, read_gold, read_reports, with_interval
from row import record


def sources(ontologies: Path) -> dict[str, Extractor]:
    """Each source by the name of its row."""
    open_ones = [ontologies / "hp.obo", ontologies / "doid_chest.obo"]
    return {
        "rules": RuleExtractor(Lexicon.default(), remember=False),
        "umls, embedded graph": ConceptExtractor(chest_graph()),
        "umls, HPO and Disease Ontology": ConceptExtractor(read_sources(open_ones)),
    }


def count(extractor: Extractor, texts: list[str], gold: list[dict[str, str]]) -> Counted:
    """What a source calls present and what is true, reports by labels."""
    labels = [label for label in NIH_14.labels if label != NOT_IN_GOLD]
    said = np.zeros((len(texts), len(labels)), bool)
    for row, text in enumerate(texts):
        values = label_values(findings_from_entities(extractor.extract(text)), NIH_14)
        said[row] = [values.get(label) is Assertion.PRESENT for label in labels]
    true = np.array([[row[label] == "1" for label in labels] for row in gold])
    return Counted(said & true, said & ~true, true & ~said)


def rate(extractor: Extractor, texts: list[str]) -> float:
    """Reports a second of CPU time in one pass."""
    started = time.process_time()
    for text in texts:
        extractor.extract(text)
    return len(texts) / (time.process_time() - started)


def main() -> None:
    """Measures, prints, and records if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--record", action="store_true", help="append rows to sources.csv")
    options = parser.parse_args()
    data = Path(os.environ["CARINA_DATA"])
    reports, marked = read_reports(data / "iu_reports"), read_gold(data / "iu_reports")
    kept = [name for name in marked if reports[name]["split"] == "test"]
    texts = [reports[name]["text"] for name in kept]
    gold = [marked[name] for name in kept]
    everything = np.arange(len(kept))
    found = sources(data / "ontology")
    rates: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(options.repeats):
        for name, extractor in found.items():
            rates[name].append(rate(extractor, texts))
    for name, extractor in found.items():
        counted = count(extractor, texts, gold)
        micro, spread, *_ = with_interval(counted, everything, [*range(counted.right.shape[1])])
        row = {
            "source": name,
            "reports": len(texts),
            "seed": SEED,
            "micro_f1": micro,
            "f1_interval": spread,
            "reports_per_cpu_second": round(statistics.median(rates[name])),
            "rate_spread": f"{min(rates[name]):.0f} to {max(rates[name]):.0f}",
        }
        print("  ".join(f"{key}: {value}" for key, value in row.items()))
        if options.record:
            record("sources", row)


if __name__ == "__main__":
    main()
