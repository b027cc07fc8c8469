"""KAD's threshold search in every resample (its CheXpert protocol), against the published scan.

    python benchmarks/thresholds.py --record

The scan tries every score of every image, and computes the MCC of each with scikit-learn; it is
timed on `--plain` resamples of one finding and scaled up. CPU time is measured, one thread.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.metrics import matthews_corrcoef

from carina.metrics.ranking import Ranker
from carina.metrics.statistics import Resamples
from carina.metrics.thresholds import best_thresholds
from row import record


def data(images: int, findings: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of three decimals and findings of 10% to 40%."""
    generator = np.random.default_rng(seed)
    truth = (generator.random((images, findings)) < np.geomspace(0.1, 0.4, findings)).astype(float)
    scores = (0.7 * generator.random((images, findings)) + 0.3 * truth).round(3)
    return scores, truth


def ours(scores: np.ndarray, truth: np.ndarray, resamples: Resamples) -> tuple[np.ndarray, float]:
    """The best MCC [findings, replicates], and the CPU seconds that the search took."""
    start = time.process_time()
    rankers = [Ranker(scores[:, i], truth[:, i]) for i in range(scores.shape[1])]
    blocks = [[best_thresholds(one, counts) for one in rankers] for counts in resamples.blocks()]
    best = np.concatenate([[found[1] for found in block] for block in blocks], axis=1)
    return best, time.process_time() - start


def scan(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Every score as a threshold; the first strictly best is kept."""
    best, threshold = 0.0, 0.0
    for candidate in scores:
        value = matthews_corrcoef(truth, scores >= candidate)
        if value > best:
            best, threshold = value, candidate
    return threshold, best


def main() -> None:
    """Measures, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--findings", type=int, default=5)
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--plain", type=int, default=4, help="resamples of the scan, one finding")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    scores, truth = data(options.images, options.findings, options.seed)
    seconds, scans, difference = [], [], 0.0
    for _ in range(options.runs):
        resamples = Resamples(options.images, options.replicates, options.seed)
        best, ours_seconds = ours(scores, truth, resamples)
        counts = next(resamples.blocks(options.plain))
        start = time.process_time()
        for j in range(options.plain):
            drawn = np.repeat(np.arange(options.images), counts[:, j])
            _, expected = scan(scores[drawn, 0], truth[drawn, 0])
            difference = max(difference, abs(expected - best[0, j]))
        one = (time.process_time() - start) / options.plain
        seconds.append(ours_seconds)
        scans.append(one * options.findings * options.replicates)
        print(f"ours {ours_seconds:.3f} s, scan {scans[-1]:.0f} s, MCC within {difference:.1e}")
    row = {
        "images": options.images,
        "findings": options.findings,
        "replicates": options.replicates,
        "seed": options.seed,
        "runs": options.runs,
        "ours_cpu_s": round(float(np.median(seconds)), 3),
        "ours_slowest_s": round(max(seconds), 3),
        "scan_cpu_s": round(float(np.median(scans))),
        "times_faster": round(float(np.median(np.array(scans) / np.array(seconds)))),
        "largest_mcc_difference": f"{difference:.1e}",
        "scan_resamples_timed": options.plain,
    }
    if options.record:
        record("thresholds", row)


if __name__ == "__main__":
    main()
