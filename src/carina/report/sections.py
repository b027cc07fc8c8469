"""Cuts a report into its sections and gives them their common names.

Source: the section rules of the MIMIC-CXR code repository (Johnson et al., Sci Data 2019,
doi:10.1038/s41597-019-0322-0), corrected: a header may hold digits, dots and (for the
common names) lower case, may open the text or stand in the middle of a line (in capitals, or
behind the end of a sentence), may be glued to its body, and an empty section does not swallow
the next header. The titles FINAL REPORT and FINAL ADDENDUM end what stands before them, such as
a wet read.
"""

import functools
import re
from typing import NamedTuple

FULL_REPORT = "full report"
PREAMBLE = "preamble"
SIGNATURE = "signature"

COMMON = {
    "impression": "impression",
    "impressions": "impression",
    "conclusion": "impression",
    "conclusions": "impression",
    "opinion": "impression",
    "findings and impression": "impression",
    "findings/impression": "impression",
    "findings/ impression": "impression",
    "findings": "findings",
    "finding": "findings",
    "reference findings": "findings",
    "indication": "indication",
    "indications": "indication",
    "ndication": "indication",
    "reason for exam": "indication",
    "reason for examination": "indication",
    "reason for this examination": "indication",
    "clinical indication": "indication",
    "medical condition": "indication",
    "history": "history",
    "clinical history": "history",
    "clinical information": "history",
    "patient history": "history",
    "pfi": "history",
    "comparison": "comparison",
    "comparisons": "comparison",
    "reference exam": "comparison",
    "comparison exam": "comparison",
    "comparison film": "comparison",
    "procedure comments": "technique",
    "examination": "examination",
    "exam": "examination",
    "type of examination": "examination",
    "technique": "technique",
    "recommendation": "recommendations",
    "recommendations": "recommendations",
    "recommendation(s)": "recommendations",
    "wet read": "wet read",
    "wetread": "wet read",
    "preliminary report": "wet read",
    "notification": "notification",
    "addendum": "addendum",
    "amendment": "addendum",
    "comment": "comment",
    "comments": "comment",
    "date": "date",
    "narrative": "narrative",
    "summary": "impression",
    "end of impression": "signature",
    "accession number": "accession number",
    "report": "findings",
    "final report": "preamble",
}
CONTAINED = ("impression", "findings", "history", "comparison", "addendum")
EXAMINED = re.compile(
    r"chest|portable|\bpa and lat|\bap and lat|lateral and (?:pa|ap)|frontal and"
    r"|\b(?:one|two) views?\b|\b(?:frontal|pa|ap|lateral) views?\b|bone window"
    r"|frontal (?:semi-?)?upright|\bribs\b"
)
# Sections that say nothing of what this radiograph shows.
NOT_REPORTED = frozenset(
    {
        "indication",
        "history",
        "comparison",
        "examination",
        "technique",
        "notification",
        "date",
        "accession number",
        "recommendations",
        SIGNATURE,
    }
)

LONGEST_HEADER = 80
# A line up to a colon: capitals (with digits, for "AP CHEST, 5:10 A.M.").
CAPITALS = re.compile(r"[ \t]*([A-Z][A-Z0-9 ()/,.&:\-]*?)[ \t]*")
# A common name in capitals that ends a line's text so far.
INNER = re.compile(
    r"(?<![A-Za-z])(FINDINGS AND IMPRESSION|FINDINGS|IMPRESSION|INDICATION|CLINICAL HISTORY"
    r"|HISTORY|COMPARISON|TECHNIQUE|CONCLUSION|EXAMINATION|RECOMMENDATIONS?|ADDENDUM|WET READ"
    r"|NOTIFICATION)[ \t]*$"
)
# The same as a title ("Impression") opens a section where a sentence has ended before it.
INNER_TITLE = re.compile(
    r"(?<=[.!?])[ \t]+(Findings|Impressions?|Indications?|Clinical History|History|Comparison"
    r"|Technique|Conclusions?|Examination|Recommendations?|Addendum)[ \t]*$"
)
# What the signing system adds.
SIGNED = re.compile(
    r"electronically sign(?:ed|ing)|i have personally reviewed|(?:^|(?<=\n))[ \t]*dr\. ",
    re.IGNORECASE,
)
# The title of a part that follows another, as the final report does a wet read; no colon ends it.
TITLE = re.compile(r"^[ \t]*FINAL (REPORT|ADDENDUM)[ \t]*$", re.MULTILINE)
TITLED = {"REPORT": PREAMBLE, "ADDENDUM": "addendum"}
# What stands below a signature and is still of the report: an addendum, or the final report below
# a wet read; or a line that opens with "Dr." was no signature.
RESUMES = frozenset({"findings", "impression", "addendum", PREAMBLE})
SIGNS = ("lectronically", "LECTRONICALLY", "personally", "DR.", "Dr.")


class Section(NamedTuple):
    """A part of a report: characters `start:end` without the header, which starts at `header`.

    `name` is the canonical name in lower case.
    """

    name: str
    start: int
    end: int
    header: int

    @property
    def reported(self) -> bool:
        """Whether the section speaks of this radiograph, and not of why or how it was taken."""
        return self.name not in NOT_REPORTED


def split_sections(text: str) -> tuple[Section, ...]:
    """Sections in the order of the text; spans are into the raw text.

    What stands before the first header is the `preamble` (left out if blank). A text without
    headers is one `full report`. A section may be empty. Linear in the length of the text.
    """
    found = find_headers(text)
    if not found:
        return (Section(FULL_REPORT, 0, len(text), 0),)
    sections = []
    if text[: found[0][0]].strip():
        sections.append(Section(PREAMBLE, 0, found[0][0], 0))
    ends = [header for header, _, _ in found[1:]] + [len(text)]
    for (header, start, name), end in zip(found, ends, strict=True):
        body = header if name == SIGNATURE else start
        sections.append(Section(name, body, max(body, end), header))
    return tuple(sections)


def find_headers(text: str) -> list[tuple[int, int, str]]:
    """Start, end and canonical name of every header, in order."""
    found: list[tuple[int, int, str]] = []
    colon = text.find(":")
    while colon >= 0:
        header = header_before(text, colon)
        if header is not None:
            found.append(header)
        colon = text.find(":", colon + 1)
    if found and "FINAL " in text:
        later = [title for title in TITLE.finditer(text) if title.start() > found[0][0]]
        titles = [(t.start(), t.end(), TITLED[t[1]]) for t in later]
        found = sorted([*found, *titles])
    if any(sign in text for sign in SIGNS):
        signed = SIGNED.search(text)
        if signed is not None:
            start = signed.start()
            found = [header for header in found if header[0] < start or header[2] in RESUMES]
            found = sorted([*found, (start, signed.end(), SIGNATURE)])
    return found


def header_before(text: str, colon: int) -> tuple[int, int, str] | None:
    """The header that a colon ends, if it ends one."""
    near = max(0, colon - LONGEST_HEADER)
    newline = text.rfind("\n", near, colon)
    line = newline + 1 if newline >= 0 else near
    clock = text[colon - 1 : colon].isdigit() and text[colon + 1 : colon + 3].isdigit()
    header = header_in(text[line:colon], newline >= 0 or near == 0, clock)
    return None if header is None else (line + header[0], colon + 1, header[1])


@functools.lru_cache(maxsize=4096)
def header_in(words: str, whole: bool, clock: bool) -> tuple[int, str] | None:
    """Where in the words before a colon a header starts, and its common name.

    Reports use the same few words before most colons, so what was found is remembered.

    Args:
        words: of the line up to the colon, or the last of them.
        whole: whether they start with the line.
        clock: whether the colon is that of a time of day.
    """
    start = 0
    if whole:
        outer, _, name = words.rpartition(":")
        if name.strip().lower() in COMMON:  # "INDICATION: INDICATION: cough"
            start = len(outer) + bool(outer)
            words = name
        name = words.strip()
        if not clock and (name.lower() in COMMON or (name and CAPITALS.fullmatch(words))):
            return start, canonical_name(name)
    inner = INNER.search(words) or INNER_TITLE.search(words)
    return None if inner is None else (start + inner.start(1), canonical_name(inner[1]))


@functools.lru_cache(maxsize=4096)
def canonical_name(header: str) -> str:
    """The common name of a header as written; a header of its own kind keeps its words."""
    name = " ".join(header.lower().split()).strip(" :")
    if name in COMMON:
        return COMMON[name]
    for part in CONTAINED:
        if part in name:
            return part
    if EXAMINED.search(name):
        return "findings"
    near = [known for known in COMMON if len(known) > 5 and within_edits(name, known)]
    return COMMON[near[0]] if near else name


def within_edits(word: str, known: str) -> bool:
    """Whether one typing error (two in a name of nine letters or more) turns one into the other."""
    allowed = 2 if len(known) >= 9 else 1
    if abs(len(word) - len(known)) > allowed:
        return False
    row = list(range(len(known) + 1))
    for i, letter in enumerate(word, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(known, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (letter != other))
    return row[-1] <= allowed
