"""Dictates a report: what is there, some of what is not, in the manner of one of five readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carina.phantom import phrases
from carina.phantom.clinic import Visit
from carina.phantom.findings import DEVICES, Lesion
from carina.phantom.pleural_lesions import first_broken_rib

MISSED = 0.06
HEDGED = 0.14
HELD_OUT = 0.2


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How one dictation is made: with sections or without, long or short, tidy or not."""

    headings: bool
    impression: bool
    findings: bool
    capitals: bool


@dataclass(frozen=True, kw_only=True)
class Dictation:
    """A report, and for each finding that it tells of the words that tell of it."""

    text: str
    phrases: Mapping[str, str]


def dictate(visit: Visit, rng: np.random.Generator) -> Dictation:
    """The report of a visit; the last line says that it is synthetic.

    Not every finding is mentioned, some are only suspected, and a report is silent about
    most of what is not there.
    """
    habits = draw_habits(rng)
    told, summary, rest = describe(visit, rng)
    body = [sentence for _, sentence in told] + rest
    text = arrange(body, [words for _, words in summary], habits, visit, rng)
    said = (*told, *summary)
    if habits.capitals:
        text = text.upper()
        said = tuple((name, words.upper()) for name, words in said)
    phrases: dict[str, str] = {}
    for name, words in said:  # a report without findings section has the summary's words alone
        if name and words in text:
            phrases.setdefault(name, words)
    return Dictation(text=text + "\n\n[synthetic report, carina phantom]", phrases=phrases)


def draw_habits(rng: np.random.Generator) -> Habits:
    """One of the manners of dictation."""
    draws = rng.random(3)
    return Habits(
        headings=bool(draws[0] < 0.75),
        impression=bool(draws[1] < 0.8),
        findings=bool(draws[1] < 0.15 or draws[1] > 0.28),
        capitals=bool(draws[2] < 0.06),
    )


Named = tuple[str, str]
"""A finding that is there, or "", and a sentence about it."""


def describe(visit: Visit, rng: np.random.Generator) -> tuple[list[Named], list[Named], list[str]]:
    """Sentences about what is there, those of the impression, and about what is not there."""
    earlier = None if visit.before is None else {lesion.name for lesion in visit.before}
    told: list[Named] = []
    summary: list[Named] = []
    for lesion in visit.lesions:
        if rng.random() < MISSED:
            continue
        told.append((lesion.name, sentence(lesion, earlier, rng)))
        if lesion.severity > 1 or rng.random() < 0.4:
            summary.append((lesion.name, short(lesion, rng)))
    told += [("", words) for words in resolved(visit, rng)]
    told = [told[i] for i in rng.permutation(len(told))]
    return told, summary, absences(visit, rng)


def sentence(lesion: Lesion, earlier: set[str] | None, rng: np.random.Generator) -> str:
    """One sentence about a lesion that is there."""
    kind = rng.random()
    if kind < HELD_OUT:
        return fill(pick(rng, phrases.HELD_OUT_PHRASINGS[lesion.name]), lesion, rng)
    if earlier is not None and lesion.name not in DEVICES and rng.random() < 0.7:
        if lesion.name in earlier:
            return fill(pick(rng, phrases.UNCHANGED_FRAMES), lesion, rng)
        return fill(pick(rng, phrases.NEW_FRAMES), lesion, rng)
    if lesion.name in DEVICES:
        said = phrases.DEVICE_FRAMES + phrases.SENTENCES[lesion.name] * 2
        return fill(pick(rng, said), lesion, rng)
    doubtful = HEDGED * (2.0 if lesion.conspicuity < 0.7 else 0.5)
    if rng.random() < doubtful:
        return fill(pick(rng, phrases.HEDGED_FRAMES), lesion, rng)
    own = phrases.SENTENCES.get(lesion.name, ())
    return fill(pick(rng, phrases.FRAMES + own * 2), lesion, rng)


def short(lesion: Lesion, rng: np.random.Generator) -> str:
    """The finding once more, as an impression has it."""
    if lesion.name in DEVICES:
        return fill("{Noun} in place.", lesion, rng)
    return fill("{Degree} {noun} {place}.", lesion, rng)


def resolved(visit: Visit, rng: np.random.Generator) -> list[str]:
    """What was there before and is gone."""
    told = []
    for lesion in visit.before or ():
        if lesion.name not in visit.present and rng.random() < 0.7:
            device = lesion.name in DEVICES
            frames = phrases.REMOVED_FRAMES if device else phrases.RESOLVED_FRAMES
            told.append(fill(pick(rng, frames), lesion, rng))
    return told


def absences(visit: Visit, rng: np.random.Generator) -> list[str]:
    """One to five things that are said not to be there, and normal statements."""
    weights = np.array(phrases.DENIAL_WEIGHTS, dtype=np.float64)
    weights *= [name not in visit.present for name in phrases.OFTEN_DENIED]
    count = min(int(rng.integers(1, 6)), int((weights > 0).sum()))
    chosen = rng.choice(len(weights), size=count, replace=False, p=weights / weights.sum())
    names = [phrases.NOUNS[phrases.OFTEN_DENIED[i]][0] for i in chosen]
    told = []
    while names:
        take = min(len(names), int(rng.integers(1, 4)))
        told.append(capital(pick(rng, phrases.ABSENT_FRAMES).format(list=listed(names[:take]))))
        names = names[take:]
    for excluded, statements in phrases.NORMAL.items():
        if not set(excluded) & set(visit.present) and rng.random() < 0.5:
            told.append(pick(rng, statements))
    return told


def arrange(
    body: list[str],
    summary: list[str],
    habits: Habits,
    visit: Visit,
    rng: np.random.Generator,
) -> str:
    """Puts the sentences into sections, or into one paragraph."""
    conclusion = summary or ([pick(rng, phrases.NOTHING)] if not visit.lesions else body[:1])
    if not habits.headings:
        return " ".join(body + (conclusion if habits.impression and rng.random() < 0.4 else []))
    parts = []
    if rng.random() < 0.5:
        parts.append(
            "EXAMINATION: Chest radiograph, " + ("AP portable." if visit.bedside else "PA.")
        )
    if rng.random() < 0.6:
        parts.append("INDICATION: " + pick(rng, phrases.INDICATIONS))
    if visit.before is not None and rng.random() < 0.8:
        parts.append("COMPARISON: Prior chest radiograph.")
    elif rng.random() < 0.3:
        parts.append("COMPARISON: None.")
    if habits.findings or not summary:
        parts.append("FINDINGS: " + " ".join(body))
    if habits.impression or not habits.findings:
        numbered = len(conclusion) > 1 and rng.random() < 0.5
        said = [f"{i}. {text}" for i, text in enumerate(conclusion, 1)] if numbered else conclusion
        parts.append("IMPRESSION: " + " ".join(said))
    return "\n\n".join(parts)


def fill(frame: str, lesion: Lesion, rng: np.random.Generator) -> str:
    """Puts the finding's words into a frame and tidies the spaces."""
    nouns = phrases.NOUNS[lesion.name]
    noun = pick(rng, nouns)
    side = {-1: "right", 0: "bilateral", 1: "left"}[lesion.side]
    degree = degree_word(lesion, rng)
    plural = lesion.name in phrases.PLURAL or lesion.name in phrases.UNCOUNTED
    first = (degree or noun) if "{degree} {noun}" in frame else noun
    article = "" if plural else "an" if first[:1].lower() in "aeiou" else "a"
    words = {
        "noun": noun,
        "side": "" if lesion.side == 0 and lesion.zone == "" else side,
        "hilum": "hila are" if lesion.side == 0 else f"{side} hilum is",
        "hila": "hila bilaterally" if lesion.side == 0 else f"{side} hilum",
        "degree": degree,
        "a": article,
        "place": place_phrase(lesion, rng),
        "lobe": lobe(lesion),
        "grade": ("mildly", "moderately", "severely")[min(lesion.severity, 3) - 1],
        "rib": phrases.RIBS[first_broken_rib(lesion, lesion.random())],
        "length": str(4 - min(lesion.severity, 3)),
    }
    for word, text in words.items():
        frame = frame.replace("{" + word + "}", text)
        frame = frame.replace("{" + word.capitalize() + "}", text)
    tidy = " ".join(frame.split()).replace(" .", ".").replace(" ,", ",")
    return capital(tidy)


def degree_word(lesion: Lesion, rng: np.random.Generator) -> str:
    """A word for severity, or none."""
    if lesion.name in DEVICES or rng.random() < 0.3:
        return ""
    words = phrases.SIZES if lesion.name in phrases.SIZED else phrases.DEGREES
    return pick(rng, words[lesion.severity])


def lobe(lesion: Lesion) -> str:
    """The lobe that a side and a zone make."""
    if lesion.side == 0:
        return "lungs"
    side = "left" if lesion.side > 0 else "right"
    if lesion.zone == "middle":
        return "lingula" if lesion.side > 0 else "right middle lobe"
    return f"{side} {lesion.zone or 'lower'} lobe"


def place_phrase(lesion: Lesion, rng: np.random.Generator) -> str:
    """Where a lesion is, in words; empty where its name says it, and sometimes anyway."""
    if lesion.name in DEVICES or rng.random() < 0.12:
        return ""
    if lesion.side == 0:
        return "bilaterally" if lesion.zone or lesion.name in BOTH_LUNGS else ""
    side = "left" if lesion.side > 0 else "right"
    if lesion.name in ON_A_SIDE:
        return f"on the {side}"
    zone = {"upper": "upper lung zone", "middle": "mid lung", "lower": "lung base"}[lesion.zone]
    return pick(rng, (f"in the {side} {zone}", f"in the {lobe(lesion)}", f"on the {side}"))


ON_A_SIDE = (
    "elevated hemidiaphragm", "hilar enlargement", "subcutaneous emphysema", "rib fracture",
    "pleural effusion", "hydropneumothorax", "empyema", "pneumothorax", "pleural thickening",
)  # fmt: skip
BOTH_LUNGS = ("pulmonary edema", "interstitial opacity", "fibrosis", "emphysema")


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of several, evenly."""
    return options[int(rng.integers(len(options)))]


def listed(names: Sequence[str]) -> str:
    """Names joined as in "a, b or c"."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
