"""What is said of words that neither a model nor carina knows."""

from collections.abc import Iterable

import typer


def print_unfamiliar(model: object, texts: Iterable[str]) -> None:
    """Tells of each text its words that nobody knows, and what may have been meant.

    Args:
        model: the network that was asked.
        texts: names of findings, or phrases, as they were asked.
    """
    from carina.zeroshot.phrases import unknown_words

    unknown = {text: words for text in texts if (words := unknown_words(model, text))}
    if not unknown:
        return
    from carina.knowledge.spelling import spelling_note  # reads tables: only where wanted

    for text, words in unknown.items():
        note = spelling_note(text, words)
        if note is not None:
            typer.echo(note, err=True)
