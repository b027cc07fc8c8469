"""Asking about one picture imports little: imports are most of what a user waits for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from carina.encoders.query_decoder import QueryDecoderConfig
from carina.encoders.resnet import Basic, ResNetConfig
from carina.encoders.text import TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.models.folder import save_model
from carina.pretraining.kad import KADConfig, KADModel

NEEDLESS = {
    "ahocorasick",
    "carina.pretraining.kad_objective",
    "carina.training.loop",
    "huggingface_hub",
    "lightning",
    "polars",
    "pydicom",
    "sklearn",
    "torch._dynamo",
    "transformers",
}
ASKING = """
import sys
from carina.cli.main import main
try:
    main(["ask", *sys.argv[1:], "--query", "mass"])
except SystemExit as ended:
    assert not ended.code, ended.code
print("imported:", *sys.modules)
"""
CONFIG = KADConfig(
    image=ResNetConfig(
        block=Basic(), depths=(1, 1), widths=(6, 8), stem_width=4, channels=1, dim=16
    ),
    text=TextEncoderConfig(
        vocabulary=60, width=16, layers=1, heads=2, hidden=24, positions=24, max_tokens=20, dim=16
    ),
    decoder=QueryDecoderConfig(dim=16, layers=1, heads=2, hidden=24),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
)


def test_asking_about_a_picture_imports_no_training_tables_or_dicom(tmp_path: Path) -> None:
    model = KADModel.from_config(CONFIG, train_wordpiece(["no mass"], 60))
    save_model(model, tmp_path / "model", "A model.")
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "film.png")
    words = [sys.executable, "-c", ASKING, str(tmp_path / "model"), str(tmp_path / "film.png")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.rpartition("imported:")[2].split())
    assert "carina.pretraining.kad" in imported
    assert not NEEDLESS & imported
