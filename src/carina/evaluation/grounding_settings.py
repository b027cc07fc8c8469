"""How a grounding evaluation is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from carina.errors import ConfigError
from carina.evaluation.bounds import check_at_least_one


@dataclass(frozen=True, kw_only=True)
class GroundingSettings:
    """How a grounding evaluation is made.

    Attributes:
        split: the part that is scored; None for every study.
        threshold_split: the part on which the threshold of IoU and Dice is chosen; None for no
            IoU and Dice.
        margin: in the pointing game, how far outside the outline still counts, as a share of the
            radiograph's shorter side. Both baselines get the same margin.
        outlines: finding -> labels whose boxes and masks are its outline too, such as "lung
            opacity" -> "consolidation".
        replicates: bootstrap resamples.
        whole_patients: resample patients with all their cases, not single radiographs.
        seed: of the bootstrap.
        batch_size: radiographs that go through the network at once.

    Raises:
        ConfigError: the parts are the same, or a number is out of range.
    """

    split: str | None = "test"
    threshold_split: str | None = "validate"
    margin: float = 0.0
    outlines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replicates: int = 1000
    whole_patients: bool = True
    seed: int = 0
    batch_size: int = 16

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if self.threshold_split is not None and self.threshold_split == self.split:
            raise ConfigError(
                f"The threshold of the maps would be chosen on the scored part, {self.split!r}, "
                "which flatters IoU and Dice. Name another part, or none."
            )
        if not 0 <= self.margin < 0.5:
            raise ConfigError(f"margin must be in [0, 0.5), got {self.margin}: it is a share.")
        check_at_least_one("replicates", self.replicates)
        check_at_least_one("batch_size", self.batch_size)
