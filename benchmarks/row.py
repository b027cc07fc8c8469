"""One row of a benchmark's table: what was measured, and under which conditions."""

import csv
import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path


def processor() -> str:
    """The processor's name and the number of cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    return f"{name or platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def record(name: str, row: dict[str, object]) -> Path:
    """Appends a row to `benchmarks/<name>.csv`, with date, versions and hardware in front."""
    path = Path(__file__).parent / f"{name}.csv"
    whole = {
        "date": datetime.date.today().isoformat(),
        "carina": version("carina"),
        "python": platform.python_version(),
        "torch": version("torch"),
        "hardware": processor(),
        **row,
    }
    new = not path.exists()
    if not new:
        with path.open(encoding="utf-8", newline="") as handle:
            header = next(csv.reader(handle))
        if header != list(whole):
            raise SystemExit(f"{path} has the columns {header}, this row {list(whole)}")
    with path.open("a", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(whole))
        if new:
            writer.writeheader()
        writer.writerow(whole)
    return path
