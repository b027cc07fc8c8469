"""What is to be fine-tuned on what, and whether a manifest has it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carina.errors import ConfigError, ManifestError
from carina.finetuning.folds import FEWEST
from carina.runs.job import TaskSettings
from carina.runs.tasks import TASKS, Task
from carina.studies.manifest import Manifest
from carina.studies.truth import canonical


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """What is to be fine-tuned on what.

    `names` are findings, structures or severities. `fractions` of the training patients and
    `seeds` are all combined. `stores` are image stores to use instead of building one. With
    `folds` the splits of the manifest do not count: its patients are divided into so many folds,
    for each seed anew, and each fold is tested by a model that was trained on others. A
    `whole_list` of names is learnt as it is, if some of them have examples of each kind.
    """

    task: str
    names: tuple[str, ...]
    fractions: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    folds: int | None = None
    whole_list: bool = False
    stores: tuple[Path, ...] = ()
    settings: TaskSettings = field(default_factory=TaskSettings)

    def __post_init__(self) -> None:
        """Checks names and numbers."""
        task_named(self.task)
        names = [canonical(name) for name in self.names]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"The findings are {names}; expected different names, at least one.")
        if not self.fractions or not all(0 < share <= 1 for share in self.fractions):
            raise ConfigError(f"Fractions must be in (0, 1], got {self.fractions}.")
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(
                f"The seeds are {list(self.seeds)}; expected different numbers from 0, at least "
                "one (--seeds 3 are 0, 1 and 2)."
            )
        if self.folds is not None and self.folds < FEWEST:
            raise ConfigError(
                f"folds is {self.folds}, expected {FEWEST} or more: one is tested on, one "
                "validated on, and the rest trained on."
            )


def task_named(name: str) -> Task:
    """The task of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in TASKS:
        close = difflib.get_close_matches(name, TASKS, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"The task is {name!r}, expected one of {', '.join(TASKS)}.{hint}")
    return TASKS[name]


def listed_names(task: str, manifest: Manifest, asked: Sequence[str]) -> tuple[str, ...]:
    """Those of the names that the manifest lists, as they were asked; all where it lists none.

    Of a kind that is learnt whole or not at all, such as classes, all.

    Raises:
        ConfigError: there is no such task.
    """
    truth = task_named(task).truth
    if truth.check_some is None:
        return tuple(asked)
    listed = frozenset(truth.nameable(manifest.studies))
    return tuple(name for name in asked if canonical(name) in listed) or tuple(asked)


def names_to_tune(task: str, manifest: Manifest, asked: Sequence[str]) -> tuple[str, ...]:
    """The names that were asked for, or all that the manifest lists of the task's kind.

    Raises:
        ConfigError: there is no such task, or the manifest lists no such name.
        ManifestError: it lists nothing of this kind.
    """
    truth = task_named(task).truth
    nameable = truth.nameable(manifest.studies)
    if not nameable:
        raise ManifestError(
            f"{manifest.path}: lists no {truth.kind}, which {task} is trained on; expected some. "
            "Choose another task, or index data that come with them."
        )
    unknown = [name for name in asked if canonical(name) not in nameable]
    if unknown:
        close = difflib.get_close_matches(canonical(unknown[0]), nameable, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ConfigError(
            f"{manifest.path}: lists no {truth.kind} called {', '.join(map(repr, unknown))}; "
            f"expected some of {', '.join(nameable)}.{hint}"
        )
    return tuple(asked) or truth.listed(manifest.studies)
