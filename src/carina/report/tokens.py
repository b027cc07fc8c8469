"""Finds the phrases of the lexicon in one sentence."""

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from carina.report import speech
from carina.report.lexicon import Meaning, Role

# The role that each mark has in a sentence.
PUNCTUATION = {
    speech.COMMA: speech.COMMA,
    speech.COLON: speech.COLON,
    speech.SEMICOLON: speech.STOP,
}
# Marks that part words become spaces; , ; : stay, because they end the reach of cues.
SPACED = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in ",;:"}
# What other encodings and broken ones leave beside words: hard spaces, marks of byte order,
# replacement characters, typographic dashes, quotes and bullets.
SPACED |= dict.fromkeys(
    map(ord, "\u00a0\u00ad\ufeff\ufffd\u2010\u2011\u2013\u2014\u2018\u2019\u201c\u201d\u2022"), " "
)
# Of ASCII, which nearly all sentences are: lower case and spaces in one step, 15 times as fast.
ASCII_SPACED = bytes(ord(SPACED.get(code, chr(code).lower())) for code in range(128)).ljust(256)
GLUED = re.compile(r"[,;:](?=[^ ])")
WORD = re.compile(r"[,;:]|[^ ,;:]+")
SIZE = re.compile(
    r"(?<![\d.])\d{1,3}(?:\.\d{1,2})?"
    r"(?:\s{0,2}(?:mm|cm)?\s{0,2}(?:x|by)\s{0,2}\d{1,3}(?:\.\d{1,2})?){0,2}"
    r"(?:\s|-){0,2}(?:mm|cm)\b"
    r"(?!\s{1,3}(?:above|below|from|proximal|distal|superior|inferior|beyond|into|cranial|caudal))"
)
SIZE_PART = re.compile(r"[\d.]+|[a-z]+")
UNIT = re.compile(r" [mc]m|[mc]m ")
# "? pneumonia" asks, as does "(?pneumonia)"; "pneumonia?" ends with what it asks.
ASKS = re.compile(r"(?<![^\s(,;:/])\?(?=\s?[^\W\d_])")
ASKED = Meaning(role=speech.DOUBT, word="?")
AFTER_WORD = " ,;:"
DEVICES = frozenset({"device", "tube", "line", "catheter", "central venous catheter", "wire"})


class Token(NamedTuple):
    """A phrase of the lexicon in a sentence, at characters `start:end`."""

    meaning: Meaning
    start: int
    end: int
    role: Role


# Twice as fast as Token(...), of which every sentence makes some.
new_token: Callable[[tuple[Meaning, int, int, Role]], Token] = functools.partial(
    tuple.__new__, Token
)


def read_tokens(sentence: str, automaton: Any) -> list[Token]:
    """The longest phrases of the lexicon, from left to right, not overlapping."""
    if sentence.isascii():
        spaced = sentence.encode("ascii").translate(ASCII_SPACED).decode("ascii")
    else:
        spaced = lowered(sentence).translate(SPACED)
    offsets: list[int] | None = None
    marked = "," in spaced or ":" in spaced or ";" in spaced
    if "  " in spaced or (marked and GLUED.search(spaced)):
        spaced, offsets = regular(spaced)
    padded = f" {spaced} "
    tokens = longest_matches(padded, automaton)
    if offsets is not None:
        tokens = [
            Token(t.meaning, offsets[t.start], offsets[t.end - 1] + 1, t.role) for t in tokens
        ]
    if ("mm" in spaced or "cm" in spaced) and UNIT.search(padded):
        tokens += read_sizes(lowered(sentence))
        tokens.sort(key=lambda token: token.start)
    if "?" in sentence:
        tokens += [new_token((ASKED, *m.span(), speech.DOUBT)) for m in ASKS.finditer(sentence)]
        tokens.sort(key=lambda token: token.start)
    return tokens


def lowered(sentence: str) -> str:
    """The sentence in lower case, as long as before: a few letters, such as a dotted I, grow."""
    lower = sentence.lower()
    if len(lower) == len(sentence):
        return lower
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in sentence)


def longest_matches(padded: str, automaton: Any) -> list[Token]:
    """The longest matches that end where a word ends."""
    tokens: list[Token] = []
    for last, (meaning, length, role, several) in automaton.iter_long(padded):
        if length == 1:  # a mark
            tokens.append(new_token((meaning, last - 1, last, PUNCTUATION[role])))
        elif padded[last + 1] in AFTER_WORD:
            tokens.append(new_token((meaning, last + 1 - length, last, role)))
        elif several:
            # "there is no" in "there is nodule" has swallowed the start of a word
            return longest_of_all(padded, automaton)
    return tokens


def longest_of_all(padded: str, automaton: Any) -> list[Token]:
    """As `longest_matches`, by choosing from every match: right in all cases, and slower."""
    matches = []
    for last, (meaning, length, role, _) in automaton.iter(padded):
        if role in PUNCTUATION:
            matches.append(Token(meaning, last - 1, last, PUNCTUATION[role]))
        elif padded[last + 1] in AFTER_WORD:
            matches.append(Token(meaning, last + 1 - length, last, role))
    matches.sort(key=lambda token: (token.start, -token.end))
    tokens: list[Token] = []
    for match in matches:
        if not tokens or match.start >= tokens[-1].end:
            tokens.append(match)
    return tokens


def read_sizes(lowered: str) -> list[Token]:
    """Sizes such as "6 mm" and "2.1 x 2 cm", without distances such as "4 cm above".

    "6mm" and "6-mm" are "6 mm".
    """
    return [
        Token(
            Meaning(
                role=speech.SEVERITY,
                word=match.group(),
                severity=" ".join(SIZE_PART.findall(match.group())),
            ),
            match.start(),
            match.end(),
            speech.SEVERITY,
        )
        for match in SIZE.finditer(lowered)
    ]


def regular(spaced: str) -> tuple[str, list[int]]:
    """Words with single spaces between them, and where each character was."""
    parts: list[str] = []
    offsets: list[int] = []
    for match in WORD.finditer(spaced):
        if parts:
            parts.append(" ")
            offsets.append(match.start())
        parts.append(match.group())
        offsets.extend(range(match.start(), match.end()))
    return "".join(parts), offsets


def is_device(token: Token) -> bool:
    """Whether an observation is something that was put into the patient."""
    term = token.meaning.term
    return term is not None and (term.name == "device" or bool(DEVICES.intersection(term.is_a)))
