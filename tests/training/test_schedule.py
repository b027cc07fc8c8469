import json
from pathlib import Path

import pytest

from carina.errors import ConfigError
from carina.training.schedule import Length, StaircaseEpochCosine, WarmupCosine, WarmupStepsCosine


def test_warmup_cosine_reaches_the_values_worked_by_hand() -> None:
    schedule = WarmupCosine(warmup_share=0.2, start_rate=0.1, end_rate=0.2)
    length = Length(steps=10, steps_per_epoch=5)
    rates = [schedule.rate(step, 1.0, length) for step in (0, 1, 2, 6, 10)]
    # Warm-up over two steps: 0.1 + 0.9 / 2, then the peak; half way down is (1 + 0.2) / 2.
    assert rates == pytest.approx([0.55, 1.0, 1.0, 0.6, 0.2])


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_warmup_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="warmup_share"):
        WarmupCosine(warmup_share=share)


@pytest.mark.parametrize("case", ["kad", "kad_short_epoch"])
def test_parity_kad_schedule_of_stage_2(parity_dir: Path, case: str) -> None:
    official = json.loads((parity_dir / "kad" / "schedule.json").read_text())[case]
    config, per_epoch = official["config"], official["steps_per_epoch"]
    schedule = StaircaseEpochCosine(floor=config["min_lr"], stairs=config["warmup_epochs"])
    length = Length(steps=config["epochs"] * per_epoch, steps_per_epoch=per_epoch)
    for step, rate in official["first_epoch"]:
        assert schedule.rate(step, config["lr"], length) == pytest.approx(rate, rel=1e-9), step
    for epoch, rate in official["epoch_last_lr"]:
        last = (epoch + 1) * per_epoch - 1
        assert schedule.rate(last, config["lr"], length) == pytest.approx(rate, rel=1e-9), epoch


def test_parity_kad_schedule_of_stage_1(parity_dir: Path) -> None:
    official = json.loads((parity_dir / "kad" / "schedule.json").read_text())["kad_stage1"]
    schedule = WarmupStepsCosine(warmup_steps=official["warmup"])
    length = Length(steps=official["steps"], steps_per_epoch=1000)
    for step, rate in official["at"]:
        assert schedule.rate(step, official["lr"], length) == pytest.approx(rate, rel=1e-6), step
