"""How long `carina index mimic-cxr` takes on a release of true size, and how much memory.

The release is a stand-in with the true numbers: 377,110 names of images (links to one small
picture), 227,835 reports of about 700 characters in one archive, the four tables. Beside it, in a
process of its own, the plain way: the same files through Python's csv and zipfile, joined by
dictionaries into plain dictionaries, unchecked.

    python benchmarks/indexing.py --folder /tmp/stand-in --record
"""

import argparse
import csv
import gzip
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from collections import defaultdict
from pathlib import Path

from PIL import Image

from row import record

IMAGES, STUDIES, PATIENTS = 377_110, 227_835, 65_379
LINKS = 50_000  # a file system holds some 65,000 names of one file
LABELS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum"),
    *("Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion"),
    *("Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices"),
)
SENTENCE = " The heart is normal in size. There is no pleural effusion or pneumothorax.\n"


def stand_in(folder: Path, share: float) -> None:
    """Writes the release; `share` of it for a trial."""
    images, studies = round(IMAGES * share), round(STUDIES * share)
    root = folder / "jpg"
    root.mkdir(parents=True)
    metadata, split, labels = [], [], []
    with zipfile.ZipFile(folder / "mimic-cxr-reports.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for place in range(studies):
            subject = 10_000_000 + place * PATIENTS // STUDIES * 100
            study = 50_000_000 + place
            name = f"files/p{str(subject)[:2]}/p{subject}/s{study}"
            archive.writestr(f"{name}.txt", f" FINAL REPORT {study}\n" + SENTENCE * 9)
            values = ["1.0", "", "0.0", "-1.0"]
            labels.append([subject, study, *(values[(place + i) % 4] for i in range(14))])
            (root / name).mkdir(parents=True)
            for number in range(place * images // studies, (place + 1) * images // studies):
                metadata.append(picture(root, name, subject, study, number))
                split.append([metadata[-1][0], study, subject, "train"])
    columns = ["ViewPosition", "Rows", "Columns", "StudyDate"]
    start = root / "mimic-cxr-2.0.0-"
    save(f"{start}metadata.csv.gz", ["dicom_id", "subject_id", "study_id", *columns], metadata)
    save(f"{start}split.csv.gz", ["dicom_id", "study_id", "subject_id", "split"], split)
    save(f"{start}chexpert.csv.gz", ["subject_id", "study_id", *LABELS], labels)


def picture(root: Path, name: str, subject: int, study: int, number: int) -> list[object]:
    """Links one image and gives its row."""
    digits = hashlib.sha256(str(number).encode()).hexdigest()
    dicom = "-".join(digits[i : i + 8] for i in range(0, 40, 8))
    source = root / f"picture{number // LINKS}.jpg"
    if not source.exists():
        Image.new("L", (32, 24), 100).save(source)
    os.link(source, root / name / f"{dicom}.jpg")
    return [dicom, subject, study, "PA", 24, 32, 21800101]


def save(path: str, header: list[str], rows: list[list[object]]) -> None:
    """Writes a packed table."""
    with gzip.open(path, "wt", newline="", compresslevel=1) as handle:
        csv.writer(handle).writerows([header, *rows])


def ours(folder: Path) -> int:
    """The command's work, Parquet included."""
    from carina.datasets.declaration import Release
    from carina.datasets.indexing import index_release
    from carina.datasets.registry import dataset_named

    release = Release(root=folder / "jpg", second_root=folder)
    return len(index_release(dataset_named("mimic-cxr"), release, folder / "m.parquet"))


def plain(folder: Path) -> int:
    """Dictionaries, one a study."""
    tables = {}
    for name in ("metadata", "split", "chexpert"):
        path = folder / "jpg" / f"mimic-cxr-2.0.0-{name}.csv.gz"
        with gzip.open(path, "rt", newline="") as handle:
            tables[name] = list(csv.DictReader(handle))
    splits = {row["dicom_id"]: row["split"] for row in tables["split"]}
    labels = {row["study_id"]: row for row in tables["chexpert"]}
    images = defaultdict(list)
    for row in tables["metadata"]:
        images[row["subject_id"], row["study_id"]].append(row)
    archive = zipfile.ZipFile(folder / "mimic-cxr-reports.zip")
    studies = []
    for (subject, study), rows in images.items():
        name = f"files/p{subject[:2]}/p{subject}/s{study}"
        paths = [f"{name}/{row['dicom_id']}.jpg" for row in rows]
        studies.append(
            {
                "study_id": study,
                "patient_id": subject,
                "split": splits[rows[0]["dicom_id"]],
                "report": archive.read(f"{name}.txt").decode(),
                "images": [path for path in paths if (folder / "jpg" / path).exists()],
                "labels": {name: labels[study][name] for name in LABELS},
            }
        )
    (folder / "plain.jsonl").write_text("\n".join(map(json.dumps, studies)))
    return len(studies)


def measured(way: str, folder: Path) -> dict[str, float]:
    """Runs one way in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--only", way]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measures, prints, and with --record keeps a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", choices=["ours", "plain"])
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    if options.only:
        begun, cpu = time.monotonic(), time.process_time()
        studies = {"ours": ours, "plain": plain}[options.only](options.folder)
        spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.monotonic() - begun}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"studies": studies, **spent, "peak_gib": peak}))
        return
    if not options.folder.exists():
        stand_in(options.folder, options.share)
    found = {way: measured(way, options.folder) for way in ("ours", "plain")}
    row = {"studies": round(found["ours"]["studies"])} | {
        f"{way}_{name}": round(found[way][name], 2)
        for way in found
        for name in ("cpu_s", "wall_s", "peak_gib")
    }
    print(json.dumps(row, indent=2))
    if options.record:
        print(record("indexing", row))


if __name__ == "__main__":
    main()
