"""A language model as a source: any server that speaks OpenAI's chat completions."""

from collections.abc import Sequence
from dataclasses import dataclass

from carina.annotation.answers import Checked, NonsenseError, reported_text
from carina.annotation.asking import ServedModel
from carina.annotation.chat import Reply
from carina.annotation.prompt import Messages, Prompt, read_prompt
from carina.annotation.source import Reading, Tally
from carina.files import progress
from carina.report.lexicon import Lexicon
from carina.report.wording import Wording
from carina.study import Entity, Study


@dataclass(frozen=True, kw_only=True)
class LanguageModel(ServedModel):
    """A model on a server that lists the entities of reports.

    Only the sections that tell what a radiograph shows are sent, each text once, and no
    identifier.

    Attributes:
        prompt: "entities", "kad", or a TOML file of the same form.
    """

    prompt: str = "entities"

    def read(self, studies: Sequence[Study]) -> Reading:
        """The entities of every report about which the model gave an answer of use.

        Raises:
            ConfigError: server, key or prompt cannot be used, or the server is remote.
            AnnotationError: the server answers nothing, or nothing but nonsense.
            OutputError: the cache cannot be written.
        """
        asks = AsksForEntities(read_prompt(self.prompt))
        texts = [reported_text(study.report.text) for study in studies]
        replies, remarks = self.ask(tuple(dict.fromkeys(filter(None, texts))), asks)
        tally = Tally()
        entities = tuple(
            entities_of(study, replies[text], asks, tally) if text else ()
            for study, text in progress(
                zip(studies, texts, strict=True), "Checking answers", len(texts)
            )
        )
        return Reading(entities=entities, problems=tally.problems(), remarks=remarks)


class AsksForEntities:
    """What a prompt asks, and how answers to it are checked."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._wording = Wording(Lexicon.default())

    def messages(self, text: str) -> Messages:
        """The messages that ask about a report."""
        return self._prompt.messages(text)

    def check(self, reply: Reply, text: str) -> None:
        """Refuses an answer that cannot be read.

        Raises:
            NonsenseError: it is not of the form that was asked for.
        """
        self.checked(reply, text)

    def checked(self, reply: Reply, text: str) -> Checked:
        """What is left of an answer.

        Raises:
            NonsenseError: it is not of the form that was asked for.
        """
        check_complete(reply)
        return self._prompt.form.read(reply.answer, text, self._wording)


def check_complete(reply: Reply) -> None:
    """Refuses half an answer.

    Raises:
        NonsenseError: the server cut it off.
    """
    if not reply.complete:
        raise NonsenseError("was cut off by the server's limit of length")


def entities_of(
    study: Study, outcome: Reply | str, asks: AsksForEntities, tally: Tally
) -> tuple[Entity, ...] | None:
    """The entities of a study; None where there is no answer of use, with the reason counted."""
    if isinstance(outcome, str):
        tally.add(f"not read: {outcome}", study.study_id)
        return None
    try:
        answer = asks.checked(outcome, study.report.text)
    except NonsenseError as error:
        tally.add(f"not read: the answer {error}", study.study_id)
        return None
    for reason, count in answer.left_out.items():
        tally.add(reason, study.study_id, count)
    return answer.entities
