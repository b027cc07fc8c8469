"""Bootstrap of the AUC, all findings at once, against a scikit-learn loop.

    python benchmarks/bootstrap.py --record

Both sides see the same resamples of the same tied scores. The loop is timed on `--plain`
replicates and scaled up, since all of them would take minutes; the values of those replicates
are compared. CPU time is measured, one thread.
"""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.metrics import roc_auc_score

from carina.metrics.classification import auc_of
from carina.metrics.ranking import Ranker
from carina.metrics.statistics import Resamples, bootstrap
from resampling import Size, asked, options_of, tied_scores
from row import record


def ours(scores: np.ndarray, truth: np.ndarray, resamples: Resamples) -> tuple[np.ndarray, float]:
    """AUC of every finding and resample, and the CPU seconds it took."""
    start = time.process_time()
    rankers = [Ranker(scores[:, i], truth[:, i]) for i in range(scores.shape[1])]

    def statistic(ranker: Ranker):
        return lambda counts: {"auc": auc_of(ranker.rank(counts))}

    found = bootstrap([statistic(ranker) for ranker in rankers], resamples)
    return found.replicates["auc"], time.process_time() - start


def plain(
    scores: np.ndarray, truth: np.ndarray, resamples: Resamples, replicates: int
) -> tuple[np.ndarray, float]:
    """The same with scikit-learn, resample by resample and finding by finding."""
    counts = next(resamples.blocks(replicates))
    drawn = [np.repeat(np.arange(len(scores)), counts[:, j]) for j in range(replicates)]
    values = np.empty((scores.shape[1], replicates))
    start = time.process_time()
    for j, images in enumerate(drawn):
        for i in range(scores.shape[1]):
            values[i, j] = roc_auc_score(truth[images, i], scores[images, i])
    return values, time.process_time() - start


def main() -> None:
    """Measures, prints and records."""
    options = options_of(__doc__, Size(images=25_000, findings=14, plain=20))
    scores, truth = tied_scores(options, rarest=0.01, commonest=0.2)
    ratios, seconds, loops = [], [], []
    for _ in range(options.runs):
        resamples = Resamples(options.images, options.replicates, options.seed)
        fast, fast_seconds = ours(scores, truth, resamples)
        slow, slow_seconds = plain(scores, truth, resamples, options.plain)
        loop = slow_seconds * options.replicates / options.plain
        difference = float(np.abs(fast[:, : options.plain] - slow).max())
        print(f"ours {fast_seconds:.2f} s, scikit-learn {loop:.1f} s, difference {difference:.1e}")
        ratios.append(loop / fast_seconds)
        seconds.append(fast_seconds)
        loops.append(loop)
    print(f"{np.median(ratios):.0f} times faster ({min(ratios):.0f} to {max(ratios):.0f})")
    row = {
        **asked(options),
        "ours_cpu_s": round(float(np.median(seconds)), 2),
        "scikit_learn_cpu_s": round(float(np.median(loops)), 1),
        "times_faster": round(float(np.median(ratios)), 1),
        "lowest": round(min(ratios), 1),
        "highest": round(max(ratios), 1),
        "largest_difference": f"{difference:.1e}",
        "loop_replicates_timed": options.plain,
    }
    if options.record:
        record("bootstrap", row)


if __name__ == "__main__":
    main()
