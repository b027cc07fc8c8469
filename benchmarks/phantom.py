"""How many phantom studies one core draws in a second, and how many of each finding there are.

    python benchmarks/phantom.py --studies 120 --size 224 --record

Times are CPU time of one process, so that other work on the machine counts less. A study is
drawn with all masks, boxes and its report; `written` adds PNG pictures and masks on disk.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from carina.phantom.cohort import write_study
from carina.phantom.drawing import PhantomConfig, draw_study, plan_study
from carina.phantom.findings import FINDINGS
from row import record


def rate(draw: object, indices: range, repeats: int) -> tuple[float, float, float]:
    """Median, least and greatest number of calls a CPU second, over several rounds."""
    rates = []
    for _ in range(repeats):
        start = time.process_time()
        for index in indices:
            draw(index)  # type: ignore[operator]
        rates.append(len(indices) / (time.process_time() - start))
    return statistics.median(rates), min(rates), max(rates)


def fewest_positives(config: PhantomConfig) -> tuple[str, int]:
    """The rarest finding among the test studies, and its count."""
    counts = dict.fromkeys(FINDINGS, 0)
    for index in range(config.counts["train"] + config.counts["validate"], config.studies):
        for name in plan_study(config, index)[1].present:
            counts[name] += 1
    rarest = min(FINDINGS, key=counts.__getitem__)
    return rarest, counts[rarest]


def main() -> None:
    """Measures, prints, and records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=120)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    config = PhantomConfig(seed=options.seed, size=options.size)
    last = config.studies
    # Test studies have the most lesions and the most masks: the slowest part of a cohort.
    indices = range(last - options.studies, last)
    train = range(options.studies)
    draw_study(config, 0)
    test_rate = rate(lambda index: draw_study(config, index), indices, options.repeats)
    train_rate = rate(lambda index: draw_study(config, index), train, options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        written = rate(
            lambda index: write_study(config, Path(folder), index), train, options.repeats
        )
    rarest, count = fewest_positives(config)
    print(f"drawn, train part: {train_rate[0]:.1f} studies a second and core")
    print(f"drawn, test part:  {test_rate[0]:.1f} studies a second and core")
    print(f"written, train:    {written[0]:.1f} studies a second and core")
    print(f"rarest finding of {config.counts['test']} test studies: {rarest}, {count}")
    if options.record:
        row = {
            "seed": options.seed,
            "size": options.size,
            "studies": options.studies,
            "drawn_train_per_core_s": round(train_rate[0], 1),
            "drawn_train_range": f"{train_rate[1]:.1f}-{train_rate[2]:.1f}",
            "drawn_test_per_core_s": round(test_rate[0], 1),
            "written_train_per_core_s": round(written[0], 1),
            "rarest_test_finding": rarest,
            "rarest_test_positives": count,
        }
        print(f"recorded in {record('phantom', row)}")


if __name__ == "__main__":
    main()
