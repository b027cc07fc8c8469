"""The shell of every page: one file, readable in light and dark, printable."""

from html import escape

__all__ = ["document", "escape"]


def document(title: str, body: str) -> str:
    """Puts a body into a whole HTML page."""
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )
