"""From the bytes of a report file to text."""

import codecs

from carina.datasets.tally import Tally

LONG_REPORT = 100_000
"""Characters; the longest report of MIMIC-CXR has some 8,000."""


def report_text(content: bytes, name: str, tally: Tally) -> str:
    """Decodes a report and makes its line ends alike; nothing else is changed.

    What is odd is counted: empty reports, very long ones, other encodings, lost characters.

    Args:
        content: the bytes of the file.
        name: how the user finds the file.
        tally: gets the counts.
    """
    return checked_text(_decoded(content, name, tally), name, tally)


def checked_text(text: str, name: str, tally: Tally) -> str:
    """As `report_text`, of text that has been decoded already."""
    if not text.strip():
        tally.add("reports without text", name)
        return ""
    if len(text) > LONG_REPORT:
        tally.add(f"reports of more than {LONG_REPORT:,} characters, kept whole", name)
    if "\N{REPLACEMENT CHARACTER}" in text or "\0" in text:
        tally.add("reports in which characters were lost", name)
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes, name: str, tally: Tally) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tally.add("reports in UTF-16", name)
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        tally.add("reports that are not UTF-8, read as Latin-1", name)
        return content.decode("latin-1")
