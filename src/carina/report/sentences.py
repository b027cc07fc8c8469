"""Cuts a report into sentences without changing a character of it."""

import functools
import re
from collections.abc import Callable
from typing import NamedTuple


class Span(NamedTuple):
    """Characters `start:end` of a text."""

    start: int
    end: int


# Half the time of Span(...), of which every report makes some.
new_span: Callable[[tuple[int, int]], Span] = functools.partial(tuple.__new__, Span)

CANDIDATE = re.compile(r"[.!?\n)]")
CLOSING = "\"')]"
TITLES = frozenset(
    ("dr.", "drs.", "mr.", "mrs.", "ms.", "prof.", "st.", "vs.", "e.g.", "i.e.", "cf.", "approx.")
)
ABBREVIATIONS = frozenset(
    ("resp.", "incl.", "fig.", "sp.", "dept.", "ca.", "a.m.", "p.m.", "am.", "pm.", "m.d.", "lat.")
)
# The last three characters of titles and abbreviations: other words need no closer look.
DOUBTFUL = frozenset(word[-3:] for word in TITLES | ABBREVIATIONS)
VERTEBRA = re.compile(r"[tlc]\d{1,2}\.")
BULLET = re.compile(r"[ \t]*[-*\u2022][ \t]+(?=\S)")
INDENT = re.compile(r"[ \t\r]*")
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
    for match in CANDIDATE.finditer(text, start, stop):
        place = match.start()
        if place < begin:
            continue
        mark = text[place]
        tail = text[place - 2 : place + 2]
        if tail[2:] == ". " and tail[:2].islower() and tail[:3] not in DOUBTFUL:
            if place - begin > 3 and not text[begin].isspace():  # nearly all sentences
                spans.append(new_span((begin, place + 1)))
            else:
                add_span(spans, text, begin, place + 1)
            begin = place + 1
            while begin < stop and text[begin] == " ":
                begin += 1
            continue
        if mark == "\n":
            after = line_end(text, start, place, stop)
            if after is None:
                continue
            if place > begin:
                add_span(spans, text, begin, place)
            begin = after
            continue
        following = text[place + 1] if place + 1 < stop else " "
        if mark in ".)" and text[place - 1 : place].isdigit():
            value = list_number(text, begin, place, following)
            # A number is a list's when it opens a sentence or goes on with the list's count.
            if value is not None and (value == number + 1 or opens(text, begin, place)):
                add_span(spans, text, begin, place - len(str(value)))
                number, begin = value, place + 1
                continue
        if mark == ")" or not ends_sentence(text, begin, place, following):
            continue
        begin_next = place + 1
        while begin_next < stop and text[begin_next] in CLOSING:
            begin_next += 1
        add_span(spans, text, begin, begin_next)
        begin = begin_next
    add_span(spans, text, begin, stop)
    return tuple(spans)


def line_end(text: str, start: int, newline: int, stop: int) -> int | None:
    """Where the next sentence begins if `newline` ends one, else None.

    A blank line ends one, a bullet does, and so does a line that is too short to have been
    wrapped, when a capital follows.
    """
    after = INDENT.match(text, newline + 1, stop)
    assert after is not None
    following = text[after.end() : after.end() + 2]
    if after.end() >= stop or following[:1] == "\n":
        return min(after.end(), stop)
    bullet = BULLET.match(text, newline + 1, stop)
    if bullet is not None:
        return bullet.end()
    capital = following[:1].isupper() and following[1:].islower()
    return after.end() if capital and ends_short_line(text, start, newline) else None


def list_number(text: str, begin: int, place: int, following: str) -> int | None:
    """The number that the mark at `place` makes an item's, if it can be one."""
    first = place - 1
    while first > begin and place - first < 3 and text[first - 1].isdigit():
        first -= 1
    apart = first == begin or text[first - 1].isspace()
    if not apart or place - first > 2 or following.isdigit():
        return None
    return int(text[first:place]) if text[first:place].isdecimal() and text[first] != "0" else None


def opens(text: str, begin: int, place: int) -> bool:
    """Whether nothing but a number of at most two digits stands between `begin` and `place`."""
    return not text[max(begin, place - 20) : place].strip("0123456789 \t\r\n") and (
        place - begin <= 20
    )


def ends_sentence(text: str, begin: int, place: int, following: str) -> bool:
    """Whether the full stop, question or exclamation mark at `place` ends a sentence."""
    if not following.isspace() and following not in CLOSING:
        # glued: "opacity.The heart"
        glued = text[place] == "." and text[place + 1 : place + 3].istitle()
        return glued and text[max(begin, place - 3) : place].islower()
    if text[place] != ".":
        return text[place] != "?" or not asks(text, begin, place)
    space = text.rfind(" ", max(begin, place - 8), place)
    word = text[max(space + 1, begin, place - 8) : place + 1].lower().lstrip("(\n")
    if word in TITLES:
        return False
    if word in ABBREVIATIONS or VERTEBRA.fullmatch(word):
        # "at 5 a.m. the" goes on, "at T8. The" does not
        return not text[place + 1 : place + 4].lstrip()[:1].islower()
    return True


def asks(text: str, begin: int, place: int) -> bool:
    """Whether the question mark at `place` stands before what it asks: "? pneumonia"."""
    apart = place == begin or text[place - 1] in " \t\n("
    return apart and text[place + 1 : place + 3].lstrip()[:1].isalpha()


def ends_short_line(text: str, start: int, newline: int) -> bool:
    """Whether the line before `newline` is too short to have been wrapped there."""
    line_start = text.rfind("\n", max(start, newline - SHORT_LINE - 1), newline)
    return line_start >= 0 or newline - start < SHORT_LINE


def add_span(spans: list[Span], text: str, start: int, end: int) -> None:
    """Adds a span without the white space around it, unless nothing is left of it."""
    whole = text[start:end].strip()
    if len(whole) > 3 or whole.strip(".!?*- "):
        begin = start if text[start] == whole[0] else text.find(whole, start, end)
        spans.append(new_span((begin, begin + len(whole))))
