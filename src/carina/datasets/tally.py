"""What a reader met on its way that is no error but must not pass in silence."""

from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of named oddities, each with the first place where it was met.

    A reader that skips a row, empties a cell or finds a file missing counts it here under a
    plural such as "images listed but not there"; the summary of `index` shows every name, and
    the notes below them: what was read, where that could have been something else.
    """

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, where: str, count: int = 1) -> None:
        """Counts an oddity; `where` is a file, row or id that the user can look up."""
        if count:
            self.counts[name] = self.counts.get(name, 0) + count
            self.first.setdefault(name, where)

    def note(self, line: str) -> None:
        """Keeps a line for the summary."""
        self.notes.append(line)
