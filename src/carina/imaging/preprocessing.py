"""What the image side of a model wants, and how a radiograph becomes that.

A `Preprocessing` is part of a model: it is saved with it. `prepare` also returns the placement
of the picture in the input, so that a heat-map can be put back on the original pixels.
"""

from dataclasses import dataclass

from carina.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Squash:
    """Resizes to size x size, whatever the aspect ratio (KAD on CheXpert and PadChest)."""


@dataclass(frozen=True, kw_only=True)
class CentreCrop:
    """Resizes the shorter side to size, then cuts the centre square."""


@dataclass(frozen=True, kw_only=True)
class Letterbox:
    """Resizes the longer side to size and pads with black to a square: nothing is cut."""


ResizeRule = Squash | CentreCrop | Letterbox


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Size, resize rule and standardisation of the image side of a model.

    `size` is the side of the square input in pixels. `mean` and `std` are of grey values in
    [0, 1], one for each of the model's channels (1 or 3); a grey picture is repeated.
    """

    size: int
    resize: ResizeRule
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if self.size < 16:
            raise ConfigError(f"size must be at least 16 pixels, got {self.size}.")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ConfigError(
                f"mean and std must both have 1 or 3 values, got {self.mean} and {self.std}."
            )
        if not all(value > 0 for value in self.std):
            raise ConfigError(f"std must be > 0, got {self.std}: it divides the pixels.")

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return len(self.mean)
