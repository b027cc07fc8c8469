"""The texts that findings are asked by: their names, or what they look like."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from carina.errors import KnowledgeError
from carina.knowledge.descriptions import Descriptions
from carina.pretraining.medklip import TrainedFinding, folded
from carina.pretraining.report_targets import KnownQuery

SHOWN = 5  # names in a message
NOTHING: Mapping[str, str] = MappingProxyType({})


def known_descriptions(path: str | None) -> Descriptions:
    """Ours, behind those of a file where one is given.

    Raises:
        KnowledgeError: the file cannot be read.
    """
    default = Descriptions.default()
    return default if path is None else default.extended(Descriptions.read(Path(path)))


class BareNames:
    """Findings are asked by their names."""

    def knows(self, name: str) -> bool:
        """Every name is its own text."""
        return True

    def findings(self, names: Sequence[str]) -> tuple[TrainedFinding, ...]:
        """Findings with their texts."""
        return tuple(TrainedFinding(name=name, text=name) for name in names)


class KnownDescriptions:
    """Findings are asked by what they look like.

    One with a side ("left pneumothorax") that has no description of its own is asked by its
    side and the description of the finding.
    """

    def __init__(self, descriptions: Descriptions, texts: Mapping[str, str] = NOTHING) -> None:
        """Takes descriptions, and texts by folded name that go before them."""
        self._descriptions = descriptions
        self._texts = texts

    def knows(self, name: str) -> bool:
        """Whether there is a text."""
        return self._of_itself(name) is not None or self._of_a_side(name) is not None

    def text(self, name: str) -> str:
        """The text of a finding.

        Raises:
            KnowledgeError: there is none.
        """
        return self._of_itself(name) or self._of_a_side(name) or self._descriptions.of(name).text

    def findings(self, names: Sequence[str]) -> tuple[TrainedFinding, ...]:
        """Findings with their texts.

        Raises:
            KnowledgeError: some have none.
        """
        without = [name for name in names if not self.knows(name)]
        if without:
            shown = ", ".join(without[:SHOWN]) + (", ..." if len(without) > SHOWN else "")
            raise KnowledgeError(
                f"{len(without)} of {len(names)} findings have no description: {shown}. Write "
                "what they look like into a file, and --set descriptions=FILE."
            )
        return tuple(TrainedFinding(name=name, text=self.text(name)) for name in names)

    def _of_itself(self, name: str) -> str | None:
        if folded(name) in self._texts:
            return self._texts[folded(name)]
        return self._descriptions.of(name).text if name in self._descriptions else None

    def _of_a_side(self, name: str) -> str | None:
        query = KnownQuery.read(name)
        text = self._of_itself(query.standard) if query.side else None
        return text and f"On the {query.side}: {text}"
