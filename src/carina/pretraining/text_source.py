"""Where a stage's text encoder comes from; each way is a class."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from carina.encoders.text import TextEncoder, TextEncoderConfig
from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError
from carina.pretraining.stage import StageInputs


@dataclass(frozen=True, kw_only=True)
class FinishedStage:
    """The text encoder that an earlier stage of the run has trained."""

    stage: str = "knowledge"

    def build(
        self, config: TextEncoderConfig, inputs: StageInputs, texts: Sequence[str]
    ) -> TextEncoder:
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
class FreshText:
    """A text encoder with random weights and a vocabulary learnt from the reports."""

    def build(
        self, config: TextEncoderConfig, inputs: StageInputs, texts: Sequence[str]
    ) -> TextEncoder:
        """Learns the vocabulary; it may turn out smaller than the config allows."""
        tokenizer = train_wordpiece(texts, config.vocabulary)
        return TextEncoder(replace(config, vocabulary=tokenizer.get_vocab_size()), tokenizer)


@dataclass(frozen=True, kw_only=True)
class PublishedText:
    """A published BERT such as PubMedBERT: `source` is a local folder or a name on a hub."""

    source: str

    def build(
        self, config: TextEncoderConfig, inputs: StageInputs, texts: Sequence[str]
    ) -> TextEncoder:
        """Loads it, with a fresh projection."""
        return TextEncoder.from_bert(self.source, dim=config.dim, max_tokens=config.max_tokens)


TextSource = FinishedStage | FreshText | PublishedText
