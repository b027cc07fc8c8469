"""Masks as COCO's compressed run lengths: a text of six-bit characters a mask.

Source: the COCO API's `maskApi` (Lin et al., ECCV 2014, arXiv:1405.0312), from its format alone. A
mask is read down its columns, from left to right, as lengths of runs that alternate between
outside and inside, outside first. From the fourth on, a length is told as the difference from the
one two before. Each number is cut into groups of five bits, the lowest first, and a sixth bit says
that more follow; the highest bit of the last group is the sign.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool

from carina.errors import DatasetError

_FIRST = 48
"""The character "0" stands for 0."""

_MORE, _SIGN, _BITS = 0x20, 0x10, 5
_TOLD_APART = 3
"""How many lengths are told as they are."""


def mask_of_text(text: str, height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """The mask that a text tells.

    Raises:
        DatasetError: it is no such text, or is of another size; the message is a clause without
            a place.
    """
    lengths = lengths_of(text)
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise DatasetError(
            f"the runs cover {sum(lengths):,} pixels, expected {height * width:,} "
            f"({width} x {height})"
        )
    inside = np.arange(len(lengths)) % 2 == 1
    flat = np.repeat(inside, lengths)
    mask: Bool[np.ndarray, "height width"] = np.ascontiguousarray(flat.reshape(width, height).T)
    return mask


def lengths_of(text: str) -> list[int]:
    """The lengths of the runs that a text tells.

    Raises:
        DatasetError: a character is none of the 64, or the text ends within a number.
    """
    lengths: list[int] = []
    value, shift = 0, 0
    for character in text:
        code = ord(character) - _FIRST
        if not 0 <= code < 2 * _MORE:
            raise DatasetError(f"found the character {character!r}, expected run lengths as COCO's")
        value |= (code & (_MORE - 1)) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) >= _TOLD_APART else 0))
        value, shift = 0, 0
    if shift:
        raise DatasetError("the run lengths end within a number: the file may be cut short")
    return lengths


def text_of_mask(mask: Bool[np.ndarray, "height width"]) -> str:
    """The text that tells a mask."""
    flat = mask.T.ravel()
    turns = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    edges = [0, *([0] if flat[0] else []), *turns.tolist(), flat.size]
    lengths = [end - start for start, end in pairwise(edges)]
    told = [
        length - (lengths[place - 2] if place >= _TOLD_APART else 0)
        for place, length in enumerate(lengths)
    ]
    return "".join(map(_number, told))


def _number(value: int) -> str:
    """One number as characters."""
    text = ""
    while True:
        group, value = value & (_MORE - 1), value >> _BITS
        last = value == (-1 if group & _SIGN else 0)
        text += chr(_FIRST + group + (0 if last else _MORE))
        if last:
            return text
