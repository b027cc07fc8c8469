"""Checks that settings of several evaluations share."""

from carina.errors import ConfigError


def check_at_least_one(name: str, value: int) -> None:
    """Refuses a number of nothing.

    Raises:
        ConfigError: names the setting.
    """
    if value < 1:
        raise ConfigError(f"{name} must be at least 1, got {value}.")
