"""Pairs of question and answer, to teach a smaller language model what a larger one distilled.

Source: ECAMP (Wang et al., arXiv:2312.13316), appendix C: 10,000 reports distilled by one model
taught another to distil the rest.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from carina.annotation.answers import reported_text
from carina.annotation.distil_prompt import DistilPrompt
from carina.files import write_text
from carina.report.entity_words import entities_named
from carina.study import Study

PAPER_PAIRS = 10_000
HELD_OUT = ("validate", "test")


def write_teacher_pairs(
    studies: Sequence[Study], prompt: DistilPrompt, path: Path, most: int = PAPER_PAIRS
) -> int:
    """Writes one JSON object a line, {"messages": [...]}, as tools for tuning chat models read it.

    Reports that are held out for validation or test teach nothing. Equal reports are written once;
    which are taken where there are too many depends on their words alone.

    Args:
        studies: with distilled reports.
        prompt: what is asked; the distilled sentences, one a line, are the answer.
        path: the file; it quotes reports.
        most: how many pairs at most.

    Returns:
        How many were written.

    Raises:
        OutputError: the file cannot be written.
    """
    answers = {
        reported_text(study.report.text): study.report.distilled
        for study in studies
        if study.report.distilled and study.split not in HELD_OUT
    }
    texts = [text for text in answers if entities_named(text)]
    taken = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())[:most]
    lines = [pair(prompt, text, str(answers[text])) for text in taken]
    write_text(path, "".join(f"{line}\n" for line in lines))
    return len(lines)


def pair(prompt: DistilPrompt, text: str, answer: str) -> str:
    """One question and its answer as JSON."""
    asked = prompt.messages(text, ", ".join(entities_named(text).values()))
    told = ("assistant", answer.replace(". There ", ".\nThere "))
    messages = [{"role": role, "content": content} for role, content in (*asked, told)]
    return json.dumps({"messages": messages}, ensure_ascii=False)
