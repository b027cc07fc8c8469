"""How a report and what was distilled of it become one text; each way is a class."""

from dataclasses import dataclass

from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Concatenated:
    """The report, then what was distilled of it: T = [T_o, T_d] of ECAMP's paper, section 3.2."""


@dataclass(frozen=True, kw_only=True)
class Inserted:
    """With `probability` what was distilled goes in at a random full stop: ECAMP's code."""

    probability: float = 0.8

    def __post_init__(self) -> None:
        """Checks the probability."""
        check_share("probability", self.probability)


@dataclass(frozen=True, kw_only=True)
class ReportAlone:
    """The report without what was distilled of it: ECAMP's Table 4 without CD."""


def check_share(name: str, value: float) -> None:
    """Refuses what is no share.

    Raises:
        ConfigError: it is outside [0, 1].
    """
    if not 0 <= value <= 1:  # refuses nan too
        raise ConfigError(f"{name} must be in [0, 1], got {value}: it is a share.")
