"""Cuts a report into sentences without changing a character of it."""

import re
from typing import NamedTuple


class Span(NamedTuple):
    """Characters `start:end` of a text."""

    start: int
    end: int


# What may end a sentence: a full stop (or more of them) before white space, also glued to a
# capital; a blank line; a bullet; a list number; a new line that starts with a capital.
BREAK = re.compile(
    r"(?<![.!?])[.!?]++[\"')\]]*(?=\s|$)"
    r"|(?<=[a-z]{3})\.(?=[A-Z][a-z])"
    r"|\n[ \t\r]*\n"
    r"|\n[ \t]*[-*\u2022][ \t]+(?=\S)"
    r"|(?<!\S)\d{1,2}[.)](?=[ \t]+\S|[A-Za-z])"
    r"|\n(?=[ \t]*[A-Z][a-z])"
)
ABBREVIATION = re.compile(
    r"(?:\b(?:dr|drs|mr|mrs|ms|prof|st|vs|e\.g|i\.e|cf|approx|resp|incl|fig|no|sp|dept|ca"
    r"|a\.?m|p\.?m|m\.d|lat|[a-z])\.|\b[tlc]\d{1,2}\.)$",
    re.IGNORECASE,
)
LONGEST_ABBREVIATION = 8
# Reports are wrapped at about 80 characters; a line ended before this was ended on purpose.
SHORT_LINE = 60


def split_sentences(text: str, start: int = 0, end: int | None = None) -> tuple[Span, ...]:
    """Spans of the sentences in `text[start:end]`, in order, without list numbers.

    Decimal numbers, abbreviations, times of day, vertebrae, list numbers and hard line wraps
    do not end a sentence; blanks such as ___ and XXXX are words. Linear in the text's length.
    """
    stop = len(text) if end is None else end
    spans: list[Span] = []
    begin = start
    number = 0
    for match in BREAK.finditer(text, start, stop):
        first = text[match.start()]
        if first in ".!?":
            if first == "." and ends_abbreviation(text, begin, match.end(), stop):
                continue
            add_span(spans, text, begin, match.end())
        elif first.isdigit():
            value = int(match.group()[:-1])
            # A number is a list's when it opens a sentence or goes on with the list's count.
            if value != number + 1 and text[begin : match.start()].strip():
                continue
            number = value
            add_span(spans, text, begin, match.start())
        else:
            single_break = match.group() == "\n"
            if single_break and not ends_short_line(text, start, match.start()):
                continue
            add_span(spans, text, begin, match.start())
        begin = match.end()
    add_span(spans, text, begin, stop)
    return tuple(spans)


def ends_abbreviation(text: str, begin: int, dot: int, stop: int) -> bool:
    """Whether the full stop before `dot` belongs to an abbreviation inside a sentence."""
    if text[dot - 1] != ".":
        return False
    if not ABBREVIATION.search(text, max(begin, dot - LONGEST_ABBREVIATION), dot):
        return False
    following = text[dot : min(dot + 4, stop)].lstrip()[:1]
    title = text[max(begin, dot - 4) : dot].lower().endswith(("dr.", "mr.", "ms.", "vs.", "st."))
    return title or not following or not following.isupper()


def ends_short_line(text: str, start: int, newline: int) -> bool:
    """Whether the line before `newline` is too short to have been wrapped there."""
    line_start = text.rfind("\n", max(start, newline - SHORT_LINE - 1), newline)
    return line_start >= 0 or newline - start < SHORT_LINE


def add_span(spans: list[Span], text: str, start: int, end: int) -> None:
    """Adds a span without the white space around it, unless nothing is left of it."""
    sentence = text[start:end]
    stripped = sentence.strip()
    if stripped and stripped.strip(".!?*- "):
        begin = start + len(sentence) - len(sentence.lstrip())
        spans.append(Span(begin, begin + len(stripped)))
