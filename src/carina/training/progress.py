"""The bar of a training on the terminal."""

from types import TracebackType


class TrainingBar:
    """Shows step, loss and images a second; silent where there is no terminal or on other ranks."""

    def __init__(self, title: str, steps: int, done: int, shown: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self.task = self.bar.add_task(title, total=steps, completed=done, numbers="")

    def __enter__(self) -> "TrainingBar":
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def advance(self, values: dict[str, float], images: int) -> None:
        """One step on."""
        speed = self.bar.tasks[0].speed
        pace = f"  {speed * images:.0f}/s" if speed else ""
        self.bar.update(self.task, advance=1, numbers=f"loss {values['loss']:.3f}{pace}")
