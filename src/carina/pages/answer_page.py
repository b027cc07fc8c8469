"""The page of an answer: a table of scores, and each map over its radiograph."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from carina.pages.html import (
    RESEARCH_NOTE,
    document,
    heat_key,
    paragraph,
    section,
)


@dataclass(frozen=True, kw_only=True)
class AnsweredQuery:
    """One query on one radiograph: `picture` is a data URI, or None where none is shown.

    `file` is the overlay's path relative to the page, or None where there is no map.
    """

    query: str
    score: float
    picture: str | None
    file: str | None


@dataclass(frozen=True, kw_only=True)
class AnsweredImage:
    """One radiograph and what was answered about it."""

    name: str
    queries: tuple[AnsweredQuery, ...]


def render_answer_page(
    images: Sequence[AnsweredImage],
    unreadable: Sequence[str],
    descriptions: Sequence[tuple[str, str]] = (),
    model: str = "",
) -> str:
    """Builds the HTML of the page.

    Args:
        images: what was answered.
        unreadable: a message for each image that was not.
        descriptions: findings that were asked with a description, and the description.
        model: who answered; empty is not told.
    """
    count = len(images[0].queries)
    summary = (
        f"{counted(count, 'finding')} on {counted(len(images), 'radiograph')}. A score lies "
        "between 0 and 1; scores of one finding may be compared between radiographs, but are "
        "no probabilities, and not comparable between findings."
    )
    has_maps = any(one.file for image in images for one in image.queries)
    return document(
        "What the model answered",
        "\n".join(
            [
                f'<p class="note small">{RESEARCH_NOTE}</p>',
                paragraph(summary),
                f'<p class="small">Model: {escape(model)}</p>' if model else "",
                left_out(unreadable),
                section("scores", "Scores", score_table(images), described(descriptions)),
                section(
                    "maps",
                    "Where the model looked",
                    heat_key(outline=False) if has_maps else "",
                    *(image_maps(image) for image in images if has_maps),
                ),
            ]
        ),
    )


def described(descriptions: Sequence[tuple[str, str]]) -> str:
    """The words that findings were asked by beside their names: others give other scores."""
    if not descriptions:
        return ""
    items = "".join(
        f"<li><strong>{escape(name)}</strong>: {escape(text)}</li>" for name, text in descriptions
    )
    return f'<p class="small">Asked with a description:</p><ul class="small">{items}</ul>'


def counted(count: int, noun: str) -> str:
    """Writes "1 finding", "3 findings"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def left_out(unreadable: Sequence[str]) -> str:
    """The list of images that were not answered, each with its reason."""
    if not unreadable:
        return ""
    items = "".join(f"<li>{escape(message)}</li>" for message in unreadable)
    return (
        f'<div class="note"><strong>{counted(len(unreadable), "image")} not answered</strong>'
        f"<ul>{items}</ul></div>"
    )


def score_table(images: Sequence[AnsweredImage]) -> str:
    """Radiographs by findings; whichever are more go down, so that the table stays narrow."""
    findings = [query.query for query in images[0].queries]
    names = [image.name for image in images]
    scores = [[query.score for query in image.queries] for image in images]
    if len(names) < len(findings):
        by_finding = [list(row) for row in zip(*scores, strict=True)]
        return plain_table("finding", findings, names, by_finding)
    return plain_table("radiograph", names, findings, scores)


def plain_table(
    corner: str, down: Sequence[str], across: Sequence[str], scores: Sequence[Sequence[float]]
) -> str:
    """A sortable table of scores [down, across]."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in across)
    rows = "".join(
        f'<tr><th scope="row" data-sort="{escape(name)}">{escape(name)}</th>'
        + "".join(f'<td data-sort="{score:.6g}">{score:.3f}</td>' for score in row)
        + "</tr>\n"
        for name, row in zip(down, scores, strict=True)
    )
    return (
        '<div class="scroll"><table class="sortable"><caption>Score of each finding on each '
        f'radiograph.</caption><thead><tr><th scope="col" class="name">{corner}</th>{heads}'
        f"</tr></thead><tbody>\n{rows}</tbody></table></div>"
    )


def image_maps(image: AnsweredImage) -> str:
    """The overlays of one radiograph, the highest score first."""
    ordered = sorted(image.queries, key=lambda one: -one.score)
    cards = "".join(map_card(image.name, one) for one in ordered)
    return f'<h3>{escape(image.name)}</h3><div class="panels">{cards}</div>'


def map_card(name: str, answered: AnsweredQuery) -> str:
    """One overlay with its finding and score."""
    link = quote(answered.file or "")
    alt = escape(f"Heat-map of {answered.query} over {name}; score {answered.score:.3f}")
    shown = (
        f'<div class="one"><a href="{link}"><img src="{answered.picture}" alt="{alt}"/></a></div>'
        if answered.picture
        else ""
    )
    return (
        f'<figure class="case">{shown}<figcaption><strong>{escape(answered.query)}</strong> '
        f'{answered.score:.3f} · <a href="{link}">picture</a></figcaption></figure>\n'
    )
