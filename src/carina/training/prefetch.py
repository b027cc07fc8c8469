"""Batches made ahead of time in a thread, in order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from carina.training.objective import Batch, Batches, Place

AnyBatch = TypeVar("AnyBatch", bound=Batch)


def prefetched(
    batches: Batches[AnyBatch], steps: range, place: Place, ahead: int = 2
) -> Iterator[tuple[int, AnyBatch]]:
    """Yields each step and its batch, while a thread makes the next `ahead` of them.

    What a batch holds depends on its step alone, so the thread changes nothing but the waiting.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = [pool.submit(batches.batch, step, place) for step in steps[:ahead]]
        for offset, step in enumerate(steps):
            following = offset + ahead
            if following < len(steps):
                waiting.append(pool.submit(batches.batch, steps[following], place))
            yield step, waiting.pop(0).result()
