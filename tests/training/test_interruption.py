"""Ctrl-C waits for the end of a step."""

import os
import signal
import threading
from pathlib import Path

import pytest
import torch

from carina.training.interruption import Interruption
from carina.training.log import CsvLog
from carina.training.objective import Place


def test_the_first_is_noted_and_the_second_interrupts_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:  # noqa: PT012
        assert not interruption.asked_of_any(Place(), torch.device("cpu"))
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.asked_of_any(Place(), torch.device("cpu"))
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_take_no_signals() -> None:
    before, asked = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with Interruption() as interruption:
            asked.append(interruption.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert asked == [False]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_log_that_is_opened_again_keeps_whole_rows_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss,rate\n0,0.1000,1e-4\n5,2.5,1e-4\n10,3.5,1e-4\n15,0.2")
    CsvLog(path, 12).write(12, {"loss": 1.0, "rate": 0.5})
    assert path.read_text().split() == [
        *("step,loss,rate", "0,0.1000,1e-4", "5,2.5,1e-4", "10,3.5,1e-4", "12,1.0,0.5")
    ]
