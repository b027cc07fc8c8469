"""The page of grounded phrases: each phrase's map over its radiograph."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from carina.pages.answer_page import counted, left_out
from carina.pages.html import RESEARCH_NOTE, document, heat_key, paragraph, section


@dataclass(frozen=True, kw_only=True)
class PhraseMap:
    """One phrase on one radiograph.

    `picture` is a data URI, or None where only the file is linked; `file` is the overlay's path
    relative to the page; `peak` is where the map is greatest, in pixels (x, y) of the radiograph.
    """

    phrase: str
    picture: str | None
    file: str
    peak: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class PhraseImage:
    """One radiograph and the maps of every phrase on it."""

    name: str
    maps: tuple[PhraseMap, ...]


def render_phrase_page(
    images: Sequence[PhraseImage],
    notes: Sequence[str],
    unreadable: Sequence[str],
    model: str = "",
) -> str:
    """Builds the HTML of the page.

    Args:
        images: what was grounded.
        notes: of which phrases not all was read.
        unreadable: a message for each image that was not grounded.
        model: whose maps they are; empty is not told.
    """
    summary = (
        f"{counted(len(images[0].maps), 'phrase')} on {counted(len(images), 'radiograph')}. Each "
        "map is stretched between its own least and greatest value: a phrase that is not true of "
        "a radiograph has a brightest place all the same. A map says where the phrase would hold, "
        "not whether it does."
    )
    return document(
        "Where each phrase points",
        "\n".join(
            [
                f'<p class="note small">{RESEARCH_NOTE}</p>',
                paragraph(summary),
                f'<p class="small">Model: {escape(model)}</p>' if model else "",
                left_out(unreadable),
                cut_phrases(notes),
                section(
                    "maps",
                    "Phrases on radiographs",
                    heat_key(outline=False),
                    *(image_maps(image) for image in images),
                ),
            ]
        ),
    )


def cut_phrases(notes: Sequence[str]) -> str:
    """The list of phrases that were not read whole."""
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="note"><strong>Not read whole</strong><ul>{items}</ul></div>'


def image_maps(image: PhraseImage) -> str:
    """The maps of one radiograph, in the order of the phrases."""
    cards = "".join(map_card(image.name, one) for one in image.maps)
    return f'<h3>{escape(image.name)}</h3><div class="panels">{cards}</div>'


def map_card(name: str, shown: PhraseMap) -> str:
    """One overlay with its phrase."""
    link = quote(shown.file)
    alt = escape(f"Map of “{shown.phrase}” over {name}")
    picture = (
        f'<div class="one"><a href="{link}"><img src="{shown.picture}" alt="{alt}"/></a></div>'
        if shown.picture
        else ""
    )
    x, y = shown.peak
    return (
        f'<figure class="case">{picture}<figcaption><strong>“{escape(shown.phrase)}”</strong> '
        f'peak at ({x:.0f}, {y:.0f}) · <a href="{link}">picture</a></figcaption></figure>\n'
    )
