"""What a language model is asked: data, so that it can be read, changed and cited."""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from carina.annotation.answers import AnswerForm, EntityAnswers, FindingAnswers
from carina.errors import ConfigError

PACKAGED = ("entities", "kad")
FORMS = {"entities": EntityAnswers, "findings": FindingAnswers}
KEYS = {"answer", "findings", "system", "user"}
Messages = tuple[tuple[str, str], ...]
"""Roles and contents, in order."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The messages around a report, and the form of the answer that they ask for.

    Attributes:
        name: what the cache and the summary call it.
        system: the first message; "" for none.
        user: the second; `{report}` stands for the report.
        form: reads and checks answers.
    """

    name: str
    system: str
    user: str
    form: AnswerForm

    def __post_init__(self) -> None:
        if "{report}" not in self.user:
            raise ConfigError(
                f"the prompt {self.name}: `user` holds no {{report}}, so that no report would be "
                "sent. Put {report} where it belongs."
            )

    def messages(self, report: str) -> Messages:
        """The messages that ask about one report."""
        asked = (("user", self.user.replace("{report}", report)),)
        return (("system", self.system), *asked) if self.system else asked


def read_prompt(name: str) -> Prompt:
    """A packaged prompt by its name, or one from a TOML file of the same form.

    Raises:
        ConfigError: there is neither, or the file is not of that form.
    """
    if name in PACKAGED:
        file = resources.files("carina.annotation").joinpath("prompts", f"{name}.toml")
        return parsed(name, file.read_text(encoding="utf-8"))
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(
            f"there is no prompt {name!r}; known are {' and '.join(PACKAGED)}, or name a file that "
            "ends in .toml."
        )
    try:
        return parsed(name, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{name}: cannot be read as a prompt ({error}). Expected a TOML file with answer, "
            "system and user."
        ) from error


def parsed(name: str, text: str) -> Prompt:
    """A prompt from the text of its file.

    Raises:
        ConfigError: a key is missing, unknown or of a wrong type.
    """
    table = tomllib.loads(text)
    texts = [table.get(key, "") for key in ("answer", "system", "user")]
    if not set(table) <= KEYS or not all(isinstance(part, str) for part in texts):
        raise ConfigError(
            f"the prompt {name} has the keys {', '.join(table)}, expected {', '.join(sorted(KEYS))}"
            ", all texts but for the list of findings. Correct the file."
        )
    answer, system, user = texts
    if answer not in FORMS:
        raise ConfigError(
            f"the prompt {name} asks for answers of the form {answer!r}, expected one of "
            f"{', '.join(FORMS)}. Correct `answer`."
        )
    findings = tuple(map(str, table.get("findings", ())))
    if (answer == "findings") != bool(findings):
        raise ConfigError(
            f"the prompt {name} lists {len(findings)} findings and its answer is {answer!r}: a "
            "list belongs to answers of the form 'findings', and to no others."
        )
    system, user = (part.replace("{findings}", ", ".join(findings)) for part in (system, user))
    form = FindingAnswers(findings=findings) if findings else EntityAnswers()
    return Prompt(name=name, system=system.strip(), user=user.strip(), form=form)
