"""The rules of this package as a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carina.annotation.source import Reading
from carina.annotation.texts import read_texts
from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.study import Study


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Our rules over the packaged lexicon.

    Attributes:
        lexicon: a TOML file of the user's own terms, added to the packaged ones.
        processes: how many read reports.
    """

    lexicon: Path | None = None
    processes: int = 1

    def make(self) -> RuleExtractor:
        """Builds the extractor.

        Raises:
            ReportError: the user's lexicon cannot be used.
        """
        lexicon = Lexicon.default()
        return RuleExtractor(lexicon.extended(self.lexicon) if self.lexicon else lexicon)

    def read(self, studies: Sequence[Study]) -> Reading:
        """The entities of every report.

        Raises:
            ReportError: the user's lexicon cannot be used.
            ConfigError: `processes` is below 1.
        """
        return read_texts(self, studies, self.processes)
