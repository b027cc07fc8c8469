"""Builds docs/described.md: what carina says of each finding.

python docs/described.py
"""

from collections.abc import Iterable
from pathlib import Path

from carina.files import write_text
from carina.knowledge.descriptions import Description, Descriptions
from carina.report.triplets import PAPER_ENTITIES

PAGE = Path(__file__).resolve().parent / "described.md"

OPENING = """# What carina says of each finding

*Made by `python docs/described.py` from `descriptions.toml` and `chest.toml` of `carina/knowledge`;
edit those, not this page. [descriptions.md](descriptions.md) explains them.*

Written for carina in its own words, Apache-2.0. Not a medical reference.
"""


def page() -> str:
    """The whole page: the 75 entities of MedKLIP in their order, then all others by name."""
    default = Descriptions.default()
    asked = [default.of(name) for name in PAPER_ENTITIES]
    others = sorted((one for one in default if one not in asked), key=lambda one: one.name)
    return "\n".join(
        (
            OPENING,
            f"## The {len(asked)} entities of MedKLIP",
            "",
            *table(zip(PAPER_ENTITIES, asked, strict=True)),
            "",
            f"## {len(others)} more",
            "",
            *table((one.name, one) for one in others),
            "",
        )
    )


def table(rows: Iterable[tuple[str, Description]]) -> list[str]:
    """Rows of name, text and other names."""
    lines = ["| name | what is seen | also found as |", "|---|---|---|"]
    for name, one in rows:
        also = [other for other in (one.name, *one.synonyms) if other != name]
        lines.append(f"| {name} | {one.text} | {', '.join(also)} |")
    return lines


if __name__ == "__main__":
    write_text(PAGE, page())
