"""A build that is killed again and again ends with the bytes of one that never was."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_build_killed_at_random_moments_ends_with_the_same_bytes(
    kills: int, tmp_path: Path
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (160, 160), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:4000])
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("killed_pack.py"), tmp_path, str(kills)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    ended, *_, amid = (int(word) for word in done.stdout.split() if word.isdigit())
    assert ended >= 1
    assert kills < 50 or amid > 0
    print(done.stdout)
