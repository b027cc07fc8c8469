"""KAD's threshold search in every resample (its CheXpert protocol), against the published scan.

    python benchmarks/thresholds.py --record

The scan tries every score of every image, and computes the MCC of each with scikit-learn; it is
timed on `--plain` resamples of one finding and scaled up. CPU time is measured, one thread.
"""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.metrics import matthews_corrcoef

from carina.metrics.ranking import Ranker
from carina.metrics.statistics import Resamples
from carina.metrics.thresholds import best_thresholds
from resampling import Size, asked, options_of, tied_scores
from row import record


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
    options = options_of(__doc__, Size(images=500, findings=5, plain=4))
    scores, truth = tied_scores(options, rarest=0.1, commonest=0.4)
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
        **asked(options),
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
