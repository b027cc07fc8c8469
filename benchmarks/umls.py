"""How fast, and in how much memory, a MRCONSO of five million names is read and linked.

The names are invented, of the length and mix that the UMLS has: two thirds English, many
vocabularies, some suppressed or restricted; every eighth begins with words that reports use, and
one in five thousand is a phrase that is looked for. Ours: the file is read, its rows are chosen,
the concepts that 81 phrases may mean are found, and the phrases are linked. The plain way: Python's
csv reader, one row at a time, the same choice, and a dictionary of lower-case names. Each runs in a
process of its own, which tells its peak memory; CPU time is of all threads.

    python benchmarks/umls.py --record
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from row import record

LANGUAGES = ("ENG",) * 13 + ("SPA",) * 3 + ("FRE", "GER", "JPN", "POR")
VOCABULARIES = (("MSH", "0"), ("HPO", "0"), ("NCI", "0"), ("MTH", "0"), ("SNOMEDCT_US", "9"))
KINDS = ("PT", "SY", "SY", "ET", "PM", "OAP", "AB")
BODY = ("lung", "pleural", "cardiac", "hilar", "chest", "rib", "aortic", "bronchial", "apical")
SIGNS = ("effusion", "opacity", "nodule", "mass", "edema", "fracture", "cyst", "scar", "fibrosis")
MORE = ("chronic", "acute", "left", "right", "bilateral", "calcified", "malignant", "recurrent")
SYLLABLES = ("ba", "co", "di", "fe", "gu", "ha", "lo", "mi", "ne", "pra", "ro", "sta", "tu", "vi")
PHRASES = [f"{place} {sign}" for place in BODY for sign in SIGNS]


def write_names(path: Path, rows: int, seed: int) -> None:
    """Writes a MRCONSO."""
    draw = random.Random(seed)
    invented = ["".join(draw.choices(SYLLABLES, k=draw.randint(2, 5))) for _ in range(60_000)]
    with path.open("w", encoding="utf-8") as handle:
        for number in range(rows):
            words = draw.choices(invented, k=draw.randint(1, 5))
            if number % 8 == 0:
                words = [draw.choice(BODY), draw.choice(SIGNS), draw.choice(MORE), *words]
            if number % 5_000 == 0:
                words = words[:2]
            text = " ".join(words)
            text = text.capitalize() if number % 2 else text
            sab, level = VOCABULARIES[number % 5]
            ts, pref = ("P", "Y") if number % 3 == 0 else ("S", "N")
            suppress = "O" if number % 11 == 0 else "N"
            handle.write(
                f"C{number // 3:07d}|{draw.choice(LANGUAGES)}|{ts}|L{number:07d}|PF|S{number:07d}|"
                f"{pref}|A{number:08d}|||D{number:06d}|{sab}|{draw.choice(KINDS)}|D{number:06d}|"
                f"{text}|{level}|{suppress}|256|\n"
            )


def ours(path: Path) -> int:
    """Linked phrases."""
    from carina.knowledge.linking import Linker
    from carina.knowledge.umls import named_in_umls

    graph = named_in_umls(path.parent, PHRASES)
    assert graph is not None
    linker = Linker(graph)
    return sum(linker.link(phrase).meanings > 0 for phrase in PHRASES)


def plain(path: Path) -> int:
    """Linked phrases, by csv and a dictionary."""
    import csv

    meant: dict[str, set[str]] = {}
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.reader(handle, delimiter="|", quoting=csv.QUOTE_NONE):
            if row[1] == "ENG" and row[15] == "0" and row[16] == "N" and row[12] != "OAP":
                meant.setdefault(row[14].lower(), set()).add(row[0])
    return sum(phrase in meant for phrase in PHRASES)


WAYS = {"ours": ours, "plain": plain}


def run_here(way: str, path: Path) -> None:
    """Prints linked phrases, CPU seconds, wall seconds and peak MB of this process."""
    started, begun = time.process_time(), time.perf_counter()
    linked = WAYS[way](path)
    cpu, wall = time.process_time() - started, time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(linked, f"{cpu:.2f}", f"{wall:.2f}", f"{peak:.0f}")


def run_apart(way: str, path: Path) -> list[float]:
    """What `run_here` prints, of a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    """Measures, prints, and records if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help="a folder's MRCONSO.RRF; default: one is made")
    parser.add_argument("--record", action="store_true", help="append rows to umls.csv")
    options = parser.parse_args()
    if options.way:
        run_here(options.way, options.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "MRCONSO.RRF"
        if not path.exists():
            write_names(path, options.rows, seed=0)
        for way in WAYS:
            runs = [run_apart(way, path) for _ in range(options.repeats)]
            linked, cpu, wall, peak = (
                statistics.median(column) for column in zip(*runs, strict=True)
            )
            spread = f"{min(run[1] for run in runs):.1f} to {max(run[1] for run in runs):.1f}"
            row = {
                "rows": options.rows,
                "gigabytes": round(path.stat().st_size / 1e9, 2),
                "way": way,
                "linked of 81": int(linked),
                "cpu_s": cpu,
                "cpu_spread": spread,
                "wall_s": wall,
                "peak_mb": peak,
                "seed": 0,
            }
            print(row)
            if options.record:
                record("umls", row)


if __name__ == "__main__":
    main()
