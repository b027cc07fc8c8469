"""Ctrl-C between steps, never within one: half a step cannot be resumed."""

import signal
import threading
from types import FrameType, TracebackType

import torch

from carina.training.distributed import sum_over_processes
from carina.training.objective import Place


class Interruption:
    """Notes the first Ctrl-C inside a `with` block; the second one interrupts at once.

    Only the main thread of a program can take signals: elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> "Interruption":
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def asked_of_any(self, place: Place, device: torch.device) -> bool:
        """Whether this process or another one is to stop: all do so after the same step."""
        if place.processes == 1:
            return self.asked
        return bool(sum_over_processes(torch.tensor(float(self.asked), device=device)) > 0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
