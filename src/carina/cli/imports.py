"""Imports of large libraries, with the garbage collector out of their way."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_imports() -> Iterator[None]:
    """What is imported inside is never searched for garbage.

    Modules live as long as the process. To search torch's again and again while they are made,
    and once more when the process ends, costs a quarter of the time that importing it takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
