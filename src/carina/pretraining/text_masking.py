"""Which tokens of a text are masked; each way is a class. Word pieces go with their word."""

from dataclasses import dataclass

from carina.pretraining.text_composition import check_share


@dataclass(frozen=True, kw_only=True)
class DescriptorsAlways:
    """Words before an entity are always masked, the others with `ratio`: ECAMP's paper."""

    ratio: float = 0.75

    def __post_init__(self) -> None:
        """Checks the ratio."""
        check_share("ratio", self.ratio)


@dataclass(frozen=True, kw_only=True)
class DescriptorsNever:
    """What ECAMP's published code does: descriptors are masked as often as other words.

    Of a text that names an entity, entities are masked with `entities` and other words with
    `ratio`; of any other, words are masked with `without_entities`.
    """

    ratio: float = 0.7
    entities: float = 0.75
    without_entities: float = 0.75

    def __post_init__(self) -> None:
        """Checks the ratios."""
        check_share("ratio", self.ratio)
        check_share("entities", self.entities)
        check_share("without_entities", self.without_entities)


@dataclass(frozen=True, kw_only=True)
class EveryWord:
    """Every word with `ratio`, whatever it is: ECAMP's Table 4 without DM, and MRM."""

    ratio: float = 0.75

    def __post_init__(self) -> None:
        """Checks the ratio."""
        check_share("ratio", self.ratio)
