"""Answers of a language model on disk, so that no report is paid for twice."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from carina.annotation.chat import Reply
from carina.annotation.prompt import Messages
from carina.files import write_error, write_text


class AnswerCache:
    """One small JSON file for each answer, named by what was asked.

    The files hold answers, which quote reports: their folder is readable by its owner only.
    Several threads may use one cache.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder.

        Raises:
            OutputError: it cannot be made.
        """
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error

    def path(self, model: str, messages: Messages) -> Path:
        """The file of the answer to these messages: SHA-256 of model, prompt and text."""
        asked = json.dumps([model, messages], ensure_ascii=False)
        digest = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / digest[:2] / f"{digest}.json"

    def read(self, path: Path) -> Reply | None:
        """An answer; None where it was not given yet, or its file is damaged."""
        try:
            reply = Reply(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return reply if isinstance(reply.answer, str) else None

    def write(self, path: Path, reply: Reply) -> None:
        """Keeps an answer, whole or not at all.

        Raises:
            OutputError: the disk is full, or the place may not be written.
        """
        write_text(path, json.dumps(asdict(reply)))
