"""From the shell to the answer: `carina --help` and `carina ask` on one picture.

    python benchmarks/start.py [--rounds 5] [--image FILE] [--record]

Wall and CPU time of whole processes, medians and least values; the commands take turns. Beside
them in the same run: a Python that does nothing, one that imports torch, which no answer can do
without, and one that imports transformers' BERT too, as a text encoder built on theirs would.
The model is `kad_small` with fresh weights; it is made here, as is the picture if none is given.
The model is small, so almost all is start: on a busy machine the wall time says more about the
load (recorded, processes per core at the start) than about the command.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from carina.encoders.tokenizer import train_wordpiece
from carina.models.folder import save_model
from carina.phantom.drawing import PhantomConfig, draw_study
from carina.pretraining.kad import KADModel
from carina.pretraining.kad_stage import AlignmentStage
from carina.recipes.catalogue import find_recipe
from row import record

HELP_TARGET_S, ASK_TARGET_S = 0.3, 3.0
BERT = "import torch; from transformers import BertModel"


def small_model(folder: Path) -> Path:
    """A `kad_small` that has learnt nothing: asking it takes as long."""
    alignment = find_recipe("kad_small").stages[-1]
    assert isinstance(alignment, AlignmentStage)
    tokenizer = train_wordpiece(["pneumothorax, pleural effusion, no edema"], 200)
    save_model(KADModel.from_config(alignment.model, tokenizer), folder / "model", "Untrained.")
    return folder / "model"


def phantom_picture(folder: Path) -> Path:
    """A synthetic radiograph of 1024 px as PNG."""
    path = folder / "phantom.png"
    Image.fromarray(draw_study(PhantomConfig(size=1024), 0).image).save(path)
    return path


def timed(words: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--image", type=Path, help="a radiograph; a phantom by default")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    load = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        image = options.image or phantom_picture(folder)
        ask = ["ask", str(small_model(folder)), str(image), "--query", "pneumothorax"]
        commands = {
            "python": ["-c", ""],
            "help": ["-m", "carina", "--help"],
            "torch": ["-c", "import torch"],
            "ask": ["-m", "carina", *ask],
            "transformers": ["-c", BERT],
        }
        for words in commands.values():  # once unmeasured: files come into memory
            timed([sys.executable, *words])
        times = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, words in commands.items():
                times[name].append(timed([sys.executable, *words]))
    row: dict[str, object] = {
        "image": image.name,
        "rounds": options.rounds,
        "load_per_core": round(load, 1),
    }
    for name, pairs in times.items():
        wall, cpu = zip(*pairs, strict=True)
        row[f"{name}_wall_s"] = round(statistics.median(wall), 2)
        row[f"{name}_cpu_s"] = round(statistics.median(cpu), 2)
        row[f"{name}_cpu_least_s"] = round(min(cpu), 2)
        print(
            f"{name:<12} wall {row[f'{name}_wall_s']:6.2f} s, CPU {row[f'{name}_cpu_s']:6.2f} s "
            f"(least wall {min(wall):.2f}, CPU {min(cpu):.2f})"
        )
    print(f"targets: help {HELP_TARGET_S} s, ask {ASK_TARGET_S} s; load per core {load:.1f}")
    if options.record:
        record("start", row)


if __name__ == "__main__":
    main()
