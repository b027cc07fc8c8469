r"""Asking about findings never seen in training: by direct name and by description.

    python benchmarks/descriptions.py demo/run demo/cohort.parquet --label kad_small \
        --store demo/store

The model answers the same radiographs of test patients twice. The default queries are the findings
of the phantom that occur in no training patient; with --query others. --descriptions names a file
that goes before the descriptions of carina. --record appends the row to descriptions.csv.
"""

import argparse
import json
from pathlib import Path

import carina
from carina.evaluation.both_ways import COMPARED_METRICS, BothWays, evaluate_both_ways
from carina.evaluation.compare import Comparison
from carina.evaluation.run import EvaluationRequest
from carina.evaluation.table import number_text, p_text, score_text
from carina.knowledge.descriptions import DEFAULT, Descriptions
from carina.phantom.findings import UNSEEN
from carina.studies.manifest import Manifest
from carina.zeroshot.protocol import Query
from row import record


def main() -> None:
    """Evaluates both ways and prints the row."""
    arguments = parsed()
    request = EvaluationRequest(
        task=arguments.task,
        queries=tuple(Query(name) for name in arguments.query or UNSEEN),
        store=arguments.store,
        split=arguments.split,
        threshold_split="validate" if arguments.task == "grounding" else None,
        descriptions=Descriptions.named(arguments.descriptions),
        seed=arguments.seed,
    )
    manifest = Manifest.read(arguments.manifest, arguments.root)
    model = carina.load(arguments.model).model
    row = row_of(evaluate_both_ways(model, manifest, request), arguments.label, arguments.seed)
    for name, value in row.items():
        print(f"{name}: {value}")
    if arguments.record:
        print(record("descriptions", row))


def row_of(both: BothWays, label: str, seed: int) -> dict[str, object]:
    """The mean over the findings, and each finding's difference."""
    metric = COMPARED_METRICS[both.by_name.task][0]
    mean = both.compared.mean[metric]
    return {
        "model": label,
        "data": both.by_name.data.split()[0],
        "images": both.by_name.images,
        "metric": metric,
        "seed": seed,
        "findings": len(both.by_name.findings),
        "direct_name": score_text(both.by_name.mean[metric]),
        "description": score_text(both.described.mean[metric]),
        "difference": difference_text(mean),
        "p": p_text(mean.p_value),
        "each": json.dumps(
            {name: each_text(rows[metric]) for name, rows in both.compared.findings.items()}
        ),
    }


def difference_text(row: Comparison) -> str:
    """Such as "+0.050 (+0.030 to +0.068)"."""
    if row.difference is None or row.low is None or row.high is None:
        return "undefined"
    return f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})"


def each_text(row: Comparison) -> str:
    """Direct name, description, and the p value that is adjusted for the number of findings."""
    return f"{number_text(row.second)} {number_text(row.first)} p {p_text(row.p_value_holm)}"


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--label", required=True, help="What the row calls the model.")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--task", default="zero-shot", choices=tuple(COMPARED_METRICS))
    parser.add_argument("--query", action="append")
    parser.add_argument("--descriptions", default=DEFAULT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
