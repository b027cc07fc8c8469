"""How far the places of triplets agree with the MeSH codes of the Open-i reports.

The indexers of Open-i wrote codes such as `Opacity/lung/base/left/mild` (Demner-Fushman et al.,
JAMIA 2016). A finding counts where a report's codes and its triplets both name it (present or
uncertain). Of these findings:
  side right      both say a side, and the same: left, right, or both
  region right    both say a region that is more than "lung" or "chest", and the same ones, ours put
                  into the codes' words: they have lobes and no zones (`IN_CODES`)
  the same word   as above, but a zone is never a lobe
  side, region    precision and recall over (finding, side) and (finding, region), those that only
                  codes or only triplets give a place counted as wrong
The rules were mended on the train and val splits (dev); test is held out. Intervals are over
reports (95 %, percentiles of 2,000 bootstrap samples).
Cost: CPU time of making triplets as a share of reading the entities, in one run, interleaved.

    CARINA_DATA=... python benchmarks/triplets.py --record
"""

import argparse
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from carina.report.entities import RuleExtractor
from carina.report.lexicon import Lexicon
from carina.report.position_tree import position_tree
from carina.report.triplets import NO_PLACE, paper_vocabulary, triplets_of
from carina.study import Assertion, Entity
from row import record

SEED = 0
SAMPLES = 2000
SECTIONS = ("comparison", "indication", "findings", "impression")
# Codes that stand for a finding, by heading (or heading/descriptor), and our terms for it.
FINDINGS = {
    "opacity": (
        ("Opacity", "Density"),
        ("opacity", "linear opacity", "interstitial opacity", "ground glass opacity"),
    ),
    "airspace disease": (("Airspace Disease",), ("airspace disease",)),
    "atelectasis": (("Pulmonary Atelectasis",), ("atelectasis", "collapse")),
    "calcified granuloma": (
        ("Calcified Granuloma", "Granuloma"),
        ("calcified granuloma", "granuloma", "calcified nodule"),
    ),
    "calcification": (("Calcinosis",), ("calcification", "calcified lymph node")),
    "scar": (("Cicatrix",), ("scar", "pleural scarring")),
    "nodule": (("Nodule",), ("nodule", "nodular opacity")),
    "mass": (("Mass",), ("mass", "masslike opacity", "mediastinal mass")),
    "infiltrate": (("Infiltrate",), ("infiltrate",)),
    "consolidation": (("Consolidation",), ("consolidation",)),
    "pneumonia": (("Pneumonia",), ("pneumonia",)),
    "pleural effusion": (("Pleural Effusion",), ("pleural effusion", "loculation")),
    "pneumothorax": (("Pneumothorax", "Hydropneumothorax"), ("pneumothorax", "hydropneumothorax")),
    "pleural thickening": (("Thickening/pleura",), ("pleural thickening",)),
    "blunting": (
        ("Costophrenic Angle/blunted", "Sulcus/blunted"),
        ("blunting of the costophrenic angle",),
    ),
    "elevated hemidiaphragm": (
        ("Diaphragm/elevated", "Diaphragmatic Eventration"),
        ("elevated hemidiaphragm",),
    ),
    "flattened diaphragm": (("Diaphragm/flattened",), ("flattened diaphragm",)),
    "fracture": (("Fractures, Bone",), ("fracture", "rib fracture", "vertebral fracture")),
    "deformity": (("Deformity",), ("deformity",)),
    "degenerative change": (
        (
            "Thoracic Vertebrae/degenerative",
            "Spine/degenerative",
            "Lumbar Vertebrae/degenerative",
            "Cervical Vertebrae/degenerative",
            "Shoulder/degenerative",
            "Humerus/degenerative",
            "Osteophyte",
            "Spondylosis",
        ),
        ("degenerative change",),
    ),
    "fibrosis": (("Pulmonary Fibrosis",), ("fibrosis",)),
    "emphysema": (("Pulmonary Emphysema", "Emphysema", "Blister"), ("emphysema",)),
    "central line": (
        ("Catheters, Indwelling",),
        ("catheter", "line", "central venous catheter", "picc", "port catheter"),
    ),
    "pacemaker": (("Implanted Medical Device",), ("pacemaker",)),
    "clips": (("Surgical Instruments", "Sutures"), ("surgical clips",)),
    "hilar enlargement": (("Lung/hilum/prominent", "Lung/hilum/enlarged"), ("hilar enlargement",)),
    "hyperlucency": (("Lucency", "Lung, Hyperlucent"), ("lucency",)),
    "volume loss": (("Volume Loss",), ("volume loss",)),
}
PLACES = {
    "base": "base",
    "apex": "apex",
    "upper lobe": "upper lobe",
    "middle lobe": "right middle lobe",
    "lower lobe": "lower lobe",
    "lingula": "lingula",
    "hilum": "hilum",
    "retrocardiac": "retrocardiac region",
    "pleura": "pleural",
    "costophrenic angle": "costophrenic angle",
    "sulcus": "costophrenic angle",
    "cardiophrenic angle": "cardiophrenic angle",
    "diaphragm": "diaphragm",
    "mediastinum": "mediastinum",
    "paratracheal": "mediastinum",
    "aorta": "aorta",
    "aorta, thoracic": "aorta",
    "heart": "heart",
    "trachea": "trachea",
    "trachea, carina": "carina",
    "thoracic vertebrae": "thoracic spine",
    "lumbar vertebrae": "lumbar spine",
    "cervical vertebrae": "cervical spine",
    "spine": "spine",
    "ribs": "rib",
    "clavicle": "clavicle",
    "humerus": "shoulder",
    "shoulder": "shoulder",
    "sternum": "sternum",
    "breast": "breast",
    "neck": "neck",
    "abdomen": "abdomen",
}
# Codes have no zones of the lung: a zone is coded as the lobe that it mostly is, what is around the
# hilum as the hilum, and the spine that a chest radiograph shows as thoracic.
IN_CODES = {
    "upper lung": ("upper lobe",),
    "right mid lung": ("right middle lobe",),
    "left mid lung": ("lingula",),
    "mid lung": ("right middle lobe",),
    "lower lung": ("lower lobe",),
    "perihilar region": ("hilum",),
    "fissure": ("pleural",),
    "spine": ("thoracic spine",),
    "thoracolumbar spine": ("thoracic spine", "lumbar spine"),
}
SIDES = {"left": ("left",), "right": ("right",), "bilateral": ("left", "right")}
# Our places that say no more than a code's "lung" or "thorax", or what the finding implies.
VAGUE = {"lung", "chest", "lobe", "interstitium", "lung volumes", "pulmonary vasculature", "bone"}
# Where a finding is by its name: naming it again is no news.
IMPLIED = {
    "pleural effusion": "pleural",
    "pneumothorax": "pleural",
    "pleural thickening": "pleural",
    "blunting": "costophrenic angle",
    "elevated hemidiaphragm": "diaphragm",
    "flattened diaphragm": "diaphragm",
    "hilar enlargement": "hilum",
}


@dataclass
class Places:
    """Sides and regions that one finding is given in one report."""

    sides: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    in_codes: set[str] = field(default_factory=set)


@dataclass
class Case:
    """A finding that codes and triplets of one report both name."""

    report: str
    finding: str
    coded: Places
    read: Places


def read_reports(path: Path) -> list[dict]:
    """The records, with their sections put together under their headers."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for r in records:
        r["text"] = "\n".join(f"{s.upper()}: {r[s]}" for s in SECTIONS if r[s])
    return records


def coded_findings(codes: Iterable[str]) -> dict[str, Places]:
    """What the codes of one report say of each finding."""
    found: dict[str, Places] = {}
    for code in codes:
        heading, *rest = (part.strip() for part in code.split("/"))
        for finding, (keys, _) in FINDINGS.items():
            if not any(matches(key, heading, rest) for key in keys):
                continue
            places = found.setdefault(finding, Places())
            places.sides.update(side for part in rest for side in SIDES.get(part, ()))
            regions = {PLACES[part] for part in (heading.lower(), *rest) if part in PLACES}
            places.regions |= regions - {IMPLIED.get(finding)}
            places.in_codes |= {r for p in places.regions for r in IN_CODES.get(p, (p,))}
    return found


def matches(key: str, heading: str, rest: Sequence[str]) -> bool:
    """Whether a code has a heading, and every further part that is asked for."""
    wanted, *parts = key.split("/")
    return wanted == heading and all(part in rest for part in parts)


def read_findings(entities: Sequence[Entity], text: str) -> dict[str, Places]:
    """What the triplets of one report say of each finding."""
    tree = position_tree()
    by_term = {term: name for name, (_, terms) in FINDINGS.items() for term in terms}
    found: dict[str, Places] = {}
    for triplet in triplets_of(entities, text):
        finding = by_term.get(triplet.entity)
        if finding is None or triplet.exists is Assertion.ABSENT:
            continue
        places = found.setdefault(finding, Places())
        if triplet.position in NO_PLACE:
            continue
        side, bare = tree.side_of(triplet.position), tree.bare(triplet.position)
        places.sides.update(SIDES.get(side or "", ()))
        said = {bare} - VAGUE - {IMPLIED.get(finding)}
        places.regions |= said
        coded = IN_CODES.get(triplet.position) or IN_CODES.get(bare) or (bare,)
        places.in_codes.update(coded if said else ())
    return found


def counts(case: Case) -> Counter[str]:
    """What one finding adds to each measure."""
    coded, read = case.coded, case.read
    c: Counter[str] = Counter(named=1)
    if coded.sides and read.sides:
        c["sided"] = 1
        c["side_right"] = coded.sides == read.sides
    if coded.regions and read.regions:
        c["regioned"] = 1
        c["region_right"] = coded.in_codes == read.in_codes
        c["region_same"] = coded.regions == read.regions
    for what, true, said in (
        ("side", coded.sides, read.sides),
        ("region", coded.in_codes, read.in_codes),
        ("position", pairs(coded), pairs(read)),
    ):
        c[f"{what}_both"] = len(true & said)
        c[f"{what}_coded"] = len(true)
        c[f"{what}_read"] = len(said)
    return c


def pairs(places: Places) -> set:
    """Regions and sides together, as whole positions of one finding in one report."""
    return {(frozenset(places.sides), region) for region in places.in_codes}


MEASURES = (
    ("side right, where both name one", "side_right", "sided"),
    ("region right, where both name one", "region_right", "regioned"),
    ("region the same word, where both name one", "region_same", "regioned"),
    ("side precision", "side_both", "side_read"),
    ("side recall", "side_both", "side_coded"),
    ("region precision", "region_both", "region_read"),
    ("region recall", "region_both", "region_coded"),
    ("position (region with sides) precision", "position_both", "position_read"),
    ("position (region with sides) recall", "position_both", "position_coded"),
)


def interval(groups: list[Counter[str]], part: str, whole: str) -> tuple[float, float]:
    """Percentile interval of a ratio of sums, reports drawn with replacement."""
    table = np.array([[c[part], c[whole]] for c in groups], dtype=float)
    drawn = np.random.default_rng(SEED).integers(0, len(table), (SAMPLES, len(table)))
    parts, wholes = table[drawn].sum(axis=1).T
    low, high = np.percentile(parts / np.maximum(wholes, 1), [2.5, 97.5])
    return float(low), float(high)


def cases_of(reports: Iterable[dict], extractor: RuleExtractor) -> list[Case]:
    """The findings that codes and triplets both name."""
    cases = []
    for r in reports:
        coded = coded_findings(r["mesh_major"])
        read = read_findings(extractor.extract(r["text"]), r["text"])
        cases += [Case(r["id"], name, coded[name], read[name]) for name in coded if name in read]
    return cases


def cost(texts: list[str], repeats: int) -> dict[str, list[float]]:
    """Seconds of triplets over seconds of entities, each new sentence read once."""
    shares: dict[str, list[float]] = {"standard terms": [], "the paper's vocabulary": []}
    for _ in range(repeats):
        extractor = RuleExtractor(Lexicon.default())
        started = time.process_time()
        entities = [extractor.extract(text) for text in texts]
        reading = time.process_time() - started
        for name, vocabulary in (
            ("standard terms", None),
            ("the paper's vocabulary", paper_vocabulary()),
        ):
            started = time.process_time()
            for found, text in zip(entities, texts, strict=True):
                triplets_of(found, text, vocabulary)
            shares[name].append((time.process_time() - started) / reading)
    return shares


def show(cases: Sequence[Case], texts: dict[str, str], what: str) -> None:
    """Prints the cases in which sides or regions differ, by how they differ."""
    kinds: dict[tuple, list[Case]] = {}
    for case in cases:
        true, said = getattr(case.coded, what), getattr(case.read, what)
        if true and said and true != said:
            kinds.setdefault((case.finding, str(sorted(true)), str(sorted(said))), []).append(case)
    for kind, held in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(len(held), *kind, [case.report for case in held[:4]])
    print(sum(map(len, kinds.values())), what, "differ;", len(texts), "reports")


def main() -> None:
    """Measures, prints, and records if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--show", action="store_true", help="print what differs on dev")
    parser.add_argument("--record", action="store_true", help="append rows to triplets.csv")
    options = parser.parse_args()
    reports = read_reports(Path(os.environ["CARINA_DATA"]) / "iu_reports" / "reports.jsonl")
    extractor = RuleExtractor(Lexicon.default())
    rows: list[dict[str, object]] = []
    for part, chosen in (
        ("dev", [r for r in reports if r["split"] != "test"]),
        ("test", [r for r in reports if r["split"] == "test"]),
    ):
        cases = cases_of(chosen, extractor)
        if options.show and part == "dev":
            for what in ("sides", "in_codes"):
                show(cases, {r["id"]: r["text"] for r in chosen}, what)
        by_report: dict[str, Counter[str]] = {}
        for case in cases:
            by_report.setdefault(case.report, Counter()).update(counts(case))
        groups = list(by_report.values())
        total = sum(groups, Counter())
        for measure, top, whole in MEASURES:
            low, high = interval(groups, top, whole)
            spread = f"{low:.3f} to {high:.3f}"
            value = f"{total[top] / total[whole]:.4f}"
            rows.append({"measure": f"{measure}, {part}", "value": value, "spread": spread})
            rows[-1]["count"] = f"{total[top]} of {total[whole]}"
    for name, shares in cost([r["text"] for r in reports], options.repeats).items():
        spread = f"{min(shares):.3f} to {max(shares):.3f}"
        value = f"{statistics.median(shares):.4f}"
        rows.append({"measure": f"triplets / entities, CPU time, {name}", "value": value})
        rows[-1] |= {"spread": spread, "count": options.repeats}
    for row in rows:
        print(f"{row['measure']:<58} {row['value']:>8} {row['spread']:<16} {row['count']}")
        if options.record:
            record("triplets", {"reports": len(reports), "seed": SEED, **row})


if __name__ == "__main__":
    main()
