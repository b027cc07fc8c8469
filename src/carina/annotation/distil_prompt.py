"""What a language model is asked to distil a report: data, that can be read and changed."""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from carina.annotation.prompt import Messages
from carina.errors import ConfigError

PACKAGED = "distil"
KEYS = {"instruction", "question"}
PLACES = ("{report}", "{entities}")


@dataclass(frozen=True, kw_only=True)
class DistilPrompt:
    """The messages around a report and its entities.

    Attributes:
        instruction: the first message; "" for none.
        question: the second; `{report}` and `{entities}` stand for these.
    """

    instruction: str
    question: str

    def messages(self, report: str, entities: str) -> Messages:
        """The messages about one report: both from the user, as in ECAMP's Table S2."""
        question = self.question.replace("{entities}", entities).replace("{report}", report)
        asked = (("user", question),)
        return (("user", self.instruction), *asked) if self.instruction else asked


def read_distil_prompt(name: str) -> DistilPrompt:
    """The packaged prompt by its name, or one from a TOML file of the same form.

    Raises:
        ConfigError: there is neither, or the file is not of that form.
    """
    if name == PACKAGED:
        file = resources.files("carina.annotation").joinpath("prompts", f"{PACKAGED}.toml")
        return parsed(name, file.read_text(encoding="utf-8"))
    if not name.endswith(".toml"):
        raise ConfigError(
            f"there is no prompt {name!r}; known is {PACKAGED}, or name a file that ends in .toml."
        )
    try:
        return parsed(name, Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{name}: cannot be read as a prompt ({error}). Expected a TOML file with instruction "
            "and question."
        ) from error


def parsed(name: str, text: str) -> DistilPrompt:
    """A prompt from the text of its file.

    Raises:
        ConfigError: a key is missing, unknown or no text, or the report would not be sent.
    """
    table = tomllib.loads(text)
    texts = {key: table.get(key, "") for key in sorted(KEYS)}
    if not set(table) <= KEYS or not all(isinstance(part, str) for part in texts.values()):
        raise ConfigError(
            f"the prompt {name} has the keys {', '.join(table)}, expected {' and '.join(texts)}, "
            "both texts. Correct the file."
        )
    missing = [place for place in PLACES if place not in texts["question"]]
    if missing:
        raise ConfigError(
            f"the prompt {name}: `question` holds no {missing[0]}, so that it would not be sent. "
            f"Put {missing[0]} where it belongs."
        )
    return DistilPrompt(**{key: part.strip() for key, part in texts.items()})
