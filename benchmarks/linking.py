"""Which share of what reports mention is found in a concept graph.

The reports are those of Indiana University, all of them; the entities are those that the rules
find in findings and impression. An ambiguous entity is not counted as linked.

    CARINA_DATA=... python benchmarks/linking.py --record
"""

import argparse
import json
import os
from pathlib import Path

from carina.knowledge.chest import chest_graph
from carina.knowledge.linking import Linker, link_entities
from carina.knowledge.obo import read_obo
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Entity
from row import record

ONTOLOGIES = ("hp.obo", "doid_chest.obo", "uberon_efo_slim.obo")


def read_entities(path: Path) -> list[Entity]:
    """The entities of every report."""
    extractor = RuleExtractor(Lexicon.default())
    reports = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    texts = (f"FINDINGS: {r['findings']}\nIMPRESSION: {r['impression']}" for r in reports)
    return [entity for text in texts for entity in extractor.extract(text)]


def main() -> None:
    """Measures, prints, and records if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="append rows to linking.csv")
    options = parser.parse_args()
    data = Path(os.environ["CARINA_DATA"])
    entities = read_entities(data / "iu_reports" / "reports.jsonl")
    graphs = {
        "embedded": chest_graph(),
        "HPO, DOID, Uberon": read_obo([data / "ontology" / name for name in ONTOLOGIES]),
    }
    for name, graph in graphs.items():
        summary = link_entities(Linker(graph), entities)
        row: dict[str, object] = {
            "graph": name,
            "concepts": len(graph.concepts),
            "entities": summary.mentions,
            "linked": round(summary.linked / summary.mentions, 4),
            "ambiguous": round(summary.ambiguous / summary.mentions, 4),
            **{f"by {way.value}": count for way, count in summary.by_way},
        }
        print(row)
        for term in summary.terms:
            meant = term.link.concepts[0].name if term.link.concepts else "-"
            print(f"{term.mentions:>6} {term.term} ({term.link.phrase}): {meant}, {term.link.way}")
        if options.record:
            record("linking", row)


if __name__ == "__main__":
    main()
