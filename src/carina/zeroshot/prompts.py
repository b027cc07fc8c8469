"""Asking by prompts: a finding becomes sentences that say it is there, and that it is not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from carina.errors import ConfigError
from carina.zeroshot.gloria_prompts import WORDS, combinations
from carina.zeroshot.protocol import Query

FIELD = "name"


@dataclass(frozen=True, kw_only=True)
class OwnPrompts:
    """Prompts that one finding has instead of the templates of its set.

    `finding` is compared in lower case.
    """

    finding: str
    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Templates that say that a finding is there, and that it is not.

    "{name}" stands for the query in lower case: its name, then its description if it has one.
    Without negative templates the likeness to the positive ones alone is the score. `own` are
    findings with prompts of their own.

    Raises:
        ConfigError: there is no positive template, or one has braces around anything else.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    own: tuple[OwnPrompts, ...] = ()

    def __post_init__(self) -> None:
        """Checks that the templates can be filled."""
        if not self.positive:
            raise ConfigError(
                "A prompt set has no positive prompt; expected at least one, such as "
                "'There is {name}.'"
            )
        for template in (*self.positive, *self.negative):
            check_template(template)

    def pairs(self, query: Query) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The prompts for a query: that it is there, and that it is not."""
        text = query.text.lower()
        for own in self.own:
            if own.finding.lower() == text:
                return own.positive, own.negative
        return tuple(filled(self.positive, text)), tuple(filled(self.negative, text))


@runtime_checkable
class PromptedModel(Protocol):
    """A model whose queries become prompts; the set may be changed after loading."""

    prompts: PromptSet


def encode_prompts(
    embed: Callable[[Sequence[str]], Float[Tensor, "texts dim"]],
    queries: Sequence[Query],
    prompts: PromptSet,
    *,
    unit: bool,
) -> tuple[Float[Tensor, "queries dim"], Float[Tensor, "queries dim"]]:
    """The mean vectors of each query's positive and negative prompts.

    Every different prompt is embedded once, all of them in one call.

    Args:
        embed: the model's text side.
        queries: what is asked.
        prompts: the templates.
        unit: whether vectors are made unit length before the mean and after it, as for cosines;
            else they are taken as they are.

    Returns:
        The positive vectors, and the negative ones: 0 for a query without negative prompts.
    """
    pairs = [prompts.pairs(query) for query in queries]
    texts = [*dict.fromkeys(text for pair in pairs for side in pair for text in side)]
    vectors = embed(texts)
    if unit:
        vectors = F.normalize(vectors, dim=1)
    places = {text: place for place, text in enumerate(texts)}
    positive, negative = (
        torch.stack([mean_of(vectors, [places[text] for text in pair[side]]) for pair in pairs])
        for side in (0, 1)
    )
    if unit:
        return F.normalize(positive, dim=1), F.normalize(negative, dim=1)
    return positive, negative


def mean_of(vectors: Float[Tensor, "texts dim"], rows: Sequence[int]) -> Float[Tensor, " dim"]:
    """The mean of some rows; 0 of none."""
    if not rows:
        return torch.zeros_like(vectors[0])
    return vectors[list(rows)].mean(dim=0)


def filled(templates: Iterable[str], text: str) -> list[str]:
    """Templates with the query in place."""
    return [template.format(**{FIELD: text}) for template in templates]


def check_template(template: str) -> None:
    """Refuses a template that has braces around anything but `name`.

    Raises:
        ConfigError: its message says what was found.
    """
    try:
        fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise ConfigError(
            f"The prompt {template!r} has a brace that is not closed ({error}); expected text "
            "with {name} where the finding goes."
        ) from error
    if fields - {FIELD}:
        raise ConfigError(
            f"The prompt {template!r} asks for {sorted(fields - {FIELD})}; expected no other than "
            "{name}, where the finding goes."
        )


def choose_prompts(model: object, name: str) -> None:
    """Lets a model ask by another prompt set than its own.

    Raises:
        ConfigError: no set has this name, or the model does not ask by prompts.
    """
    if name not in PROMPT_SETS:
        raise ConfigError(
            f"There is no prompt set {name!r}; expected one of {', '.join(PROMPT_SETS)}."
        )
    if not isinstance(model, PromptedModel):
        raise ConfigError(
            f"A {type(model).__name__} is asked by the name of a finding, not by prompts, so the "
            f"set {name!r} cannot be used. Leave --prompts out."
        )
    model.prompts = PROMPT_SETS[name]


MACO_POSITIVE = "There is {name}. "
MACO_NEGATIVE = (
    "the lung is clear.",
    "There is no {name}. ",
    "no {name}. ",
    "no evidence of {name}. ",
)
MACO_PNEUMOTHORAX = OwnPrompts(
    finding="pneumothorax",
    positive=(
        "Abnormal collection of air in the pleural space between the lung and the chest wall. ",
        "There is pneumothorax. ",
    ),
    negative=(
        "the lung is clear.",
        "There is no pneumothorax. ",
        "no pneumothorax. ",
        "no evidence of pneumothorax. ",
        "The lung parenchyma is homogeneous, and the lung markings are normal and symmetrical. ",
    ),
)

PROMPT_SETS: Mapping[str, PromptSet] = {
    # Zhang et al., ConVIRT and others: the name is the prompt.
    "name": PromptSet(positive=("{name}",)),
    # Tiu et al., Nat Biomed Eng 2022.
    "chexzero": PromptSet(positive=("{name}",), negative=("no {name}",)),
    "there-is": PromptSet(positive=("There is {name}.",), negative=("There is no {name}.",)),
    # Boecking et al., ECCV 2022.
    "biovil": PromptSet(
        positive=("Findings suggesting {name}",), negative=("No evidence of {name}",)
    ),
    # Huang et al., Nat Commun 2024, the published code: spaces and full stops are its own.
    "maco": PromptSet(positive=(MACO_POSITIVE,), negative=MACO_NEGATIVE),
    # The same code's prompts for SIIM, a set with one finding.
    "maco-pneumothorax": PromptSet(
        positive=(MACO_POSITIVE,), negative=MACO_NEGATIVE, own=(MACO_PNEUMOTHORAX,)
    ),
    # Huang et al., ICCV 2021; five findings, any other is asked by its name.
    "gloria": PromptSet(
        positive=("{name}",),
        own=tuple(
            OwnPrompts(finding=finding, positive=combinations(lists))
            for finding, lists in WORDS.items()
        ),
    ),
}
"""Prompt sets by name, each of the paper or the code that its comment names."""

DEFAULT_PROMPTS = PROMPT_SETS["chexzero"]
