"""Where a stage's text encoder comes from; each way is a class."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer
from torch import nn

from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import load_tokenizer, train_wordpiece
from carina.errors import ConfigError
from carina.files import write_text
from carina.knowledge.graph import ConceptGraph
from carina.pretraining.stage import StageInputs

TOKENIZER = "tokenizer.json"
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinishedStage:
    """The text encoder that an earlier stage of the run has trained."""

    stage: str = "knowledge"

    def build(self, config: TextEncoderConfig, inputs: StageInputs) -> TextEncoder:
        """Loads it.

        Raises:
            ConfigError: the run has no such stage, or it trained something else.
        """
        if self.stage not in inputs.finished:
            found = ", ".join(sorted(inputs.finished)) or "none"
            raise ConfigError(
                f"The text encoder is to come from the stage {self.stage!r}; finished stages: "
                f"{found}. Put that stage before, give its run with --from, or choose a "
                "fresh text encoder."
            )
        encoder = inputs.load(inputs.finished[self.stage] / "model")
        if not isinstance(encoder, TextEncoder):
            raise ConfigError(
                f"The stage {self.stage!r} trained a {type(encoder).__name__}; expected a "
                "text encoder."
            )
        return encoder


@dataclass(frozen=True, kw_only=True)
class BertText:
    """A BERT from outside the run: published weights, or fresh ones.

    `pretrained` is a local folder in transformers' layout, or a name on a hub; sizes and
    vocabulary are then its own. With None weights are fresh, and the vocabulary is learnt from
    the graph's texts and the reports, at most the encoder's `vocabulary` pieces, unless
    `tokenizer` names a file or folder that has one. `paper_weights` is the published BERT that
    the paper starts from: where fresh weights stand in for it, a warning says so.
    """

    pretrained: str | None = None
    tokenizer: str | None = None
    paper_weights: str | None = None

    def build(self, config: TextEncoderConfig, inputs: StageInputs) -> TextEncoder:
        """Makes the encoder; a tokenizer that was learnt is kept in the stage's folder.

        Raises:
            ModelError: `pretrained` or `tokenizer` cannot be read.
        """
        if self.pretrained is not None:
            return TextEncoder.from_bert(
                self.pretrained, dim=config.dim, max_tokens=config.max_tokens
            )
        if self.paper_weights is not None:
            LOGGER.warning(
                "The text encoder starts from fresh weights; the paper's starts from %s. "
                "Fetch that, or name a folder that holds it, with --set text.pretrained=...",
                self.paper_weights,
            )
        texts = [*graph_texts(inputs.graph), *report_texts(inputs)]
        tokenizer = stage_tokenizer(self.tokenizer, texts, config.vocabulary, inputs)
        encoder = TextEncoder(config, tokenizer)
        widen(encoder)
        return encoder


TextSource = FinishedStage | BertText


def widen(encoder: TextEncoder) -> None:
    """Draws the linear weights of a fresh BERT with deviation width ** -0.5.

    BERT's own 0.02 lets the first token forget the text: all texts start with cosines above
    0.99, and a small encoder at a high rate collapses to one vector before contrast gets hold.
    """
    for module in encoder.bert.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=encoder.config.width**-0.5)


def graph_texts(graph: ConceptGraph) -> Iterator[str]:
    """All words of a graph."""
    for concept in graph.concepts:
        yield from (concept.name, *concept.synonyms, concept.definition)
    yield from sorted({relation.kind for relation in graph.relations})


def report_texts(inputs: StageInputs) -> Sequence[str]:
    """The words of the reports."""
    return [study.report.text for study in inputs.manifest.studies if study.report.text]


def stage_tokenizer(
    source: str | None, texts: Sequence[str], vocabulary: int, inputs: StageInputs
) -> Tokenizer:
    """The tokenizer of a file or folder, or one that is learnt from texts.

    Args:
        source: names the file or folder; with None the tokenizer is learnt.
        texts: what it is learnt from.
        vocabulary: at most so many pieces are learnt.
        inputs: of the stage, whose folder keeps what was learnt, so that a run that is resumed
            by another version has the very same.
    """
    if source is not None:
        return load_tokenizer(source)
    kept = inputs.folder / TOKENIZER
    if not kept.exists():
        write_text(kept, train_wordpiece(texts, vocabulary).to_str())
    return load_tokenizer(kept)
