"""Processes that decode files for another: a question is a line of JSON, and so is its answer.

They are not forked (torch's threads would not survive that) and need no guard in a caller's script,
and a decoder that crashes on one file takes a helper down, not the caller.
"""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path


def start_helper(module: str, pass_fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """Starts a process that runs a module of ours, which then calls `serve`.

    Args:
        module: such as "carina.imaging.packing".
        pass_fds: descriptors that stay open in it.
    """
    home = str(Path(__file__).parents[2])
    search = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
        pass_fds=pass_fds,
        start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its helpers
    )


def serve(answer: Callable[[str], str]) -> None:
    """Answers the lines of standard input until it closes, or the one who asks is gone.

    Args:
        answer: makes one line, without its end, of another.
    """
    try:
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what a decoder prints must not get between the answers
        threading.Thread(target=_end_with_parent, daemon=True).start()
        for line in sys.stdin:
            answers.write(answer(line) + "\n")
            answers.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # the work was stopped: the parent says so, and a traceback adds nothing


def _end_with_parent() -> None:
    """Ends this process with its parent: a killed parent leaves nobody behind."""
    parent = select.poll()
    parent.register(0, 0)  # no data is waited for, only the end of the one who sends them
    parent.poll()
    os._exit(1)
