"""Whether the time of a piece of work grows with its input or with its square."""

import time
from collections.abc import Callable

SHORT, TIMES_LONGER = 3_000, 10
ROUNDS = 8


def assert_linear(work: Callable[[int], object]) -> None:
    """`work(length)` for an input ten times longer takes well under a hundred times longer.

    What else the machine does can only add time, so the least of the rounds so far counts on
    both sides and one quiet round is enough; a square stays a square however often it is run.
    """
    short = long = float("inf")
    for _ in range(ROUNDS):
        short = min(short, _seconds(work, SHORT))
        long = min(long, _seconds(work, SHORT * TIMES_LONGER))
        if long < 40 * max(short, 1e-3):
            return
    raise AssertionError(
        f"{SHORT} characters: {short:.4f} s, {TIMES_LONGER} times as many: {long:.4f} s"
    )


def _seconds(work: Callable[[int], object], length: int) -> float:
    started = time.process_time()
    work(length)
    return time.process_time() - started
