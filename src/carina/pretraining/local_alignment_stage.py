"""GLoRIA as a stage of a recipe: what it needs of a run, made ready to train."""

import logging
from dataclasses import dataclass, field, replace

from carina.encoders.published_bert import read_bert
from carina.encoders.tokenizer import load_tokenizer
from carina.encoders.words import WordEncoder, WordEncoderConfig
from carina.errors import ConfigError
from carina.imaging.store import ImageStore
from carina.pretraining.entity_texts import DistilledSentences
from carina.pretraining.gloria_text import OfficialSentences
from carina.pretraining.image_side import check_store_size, standardisation
from carina.pretraining.image_source import FreshImage, ImageSource
from carina.pretraining.local_alignment import GLoRIAConfig, GLoRIAModel
from carina.pretraining.local_alignment_objective import GLoRIALosses, GLoRIAObjective
from carina.pretraining.pairs import training_pairs
from carina.pretraining.report_pieces import Sentences
from carina.pretraining.report_targets import AnnotatedEntities, NoEntities, RuleEntities
from carina.pretraining.stage import PreparedStage, StageInputs, nothing_to_draw
from carina.pretraining.text_source import stage_tokenizer
from carina.training.settings import TrainingSettings

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WordSource:
    """Where the word encoder comes from: a published BERT, or fresh weights.

    `pretrained` is a local folder in transformers' layout, or a name on a hub; sizes and
    vocabulary are then its own. With None weights are fresh, and the vocabulary is learnt from
    the captions unless `tokenizer` names a file or folder. `paper_weights` is the published BERT
    that the published code starts from: where fresh weights stand in for it, a warning says so.
    """

    pretrained: str | None = None
    tokenizer: str | None = None
    paper_weights: str | None = None

    def build(
        self, config: WordEncoderConfig, texts: list[str], inputs: StageInputs
    ) -> WordEncoder:
        """Makes the encoder; a vocabulary that was learnt is kept in the stage's folder.

        Raises:
            ModelError: `pretrained` or `tokenizer` cannot be read.
        """
        if self.pretrained is not None:
            return published_words(self.pretrained, config)
        if self.paper_weights is not None:
            LOGGER.warning(
                "The word encoder starts from fresh weights; the published code's starts from %s. "
                "Fetch that, or name a folder that holds it, with --set text.pretrained=...",
                self.paper_weights,
            )
        return WordEncoder(
            config, stage_tokenizer(self.tokenizer, texts, config.vocabulary, inputs)
        )


def published_words(source: str, config: WordEncoderConfig) -> WordEncoder:
    """A published BERT as a word encoder: its pooler is left out."""
    published = read_bert(source)
    sizes = published.sizes
    encoder = WordEncoder(
        replace(
            config,
            vocabulary=sizes.vocabulary,
            width=sizes.width,
            layers=sizes.layers,
            heads=sizes.heads,
            hidden=sizes.hidden,
            positions=sizes.positions,
            dropout=sizes.dropout,
        ),
        load_tokenizer(source),
    )
    encoder.embeddings, encoder.encoder = published.bert.embeddings, published.bert.encoder
    return encoder


@dataclass(frozen=True, kw_only=True)
class GLoRIAStage:
    """Contrast of places with words and of images with reports.

    `pieces` is what a report is cut into: one piece is a caption. `entities` is where its entities
    come from, for pieces that are made of them. `store_size` is the short side of the stored
    pictures that are augmented. With `measured_standardisation` mean and deviation are those of
    the store; otherwise the model's preprocessing says.
    """

    name: str = "gloria"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(batch_size=48))
    model: GLoRIAConfig = field(default_factory=GLoRIAConfig)
    losses: GLoRIALosses = field(default_factory=GLoRIALosses)
    image_start: ImageSource = FreshImage()
    text: WordSource = WordSource()
    pieces: DistilledSentences | OfficialSentences | Sentences = DistilledSentences()
    entities: NoEntities | AnnotatedEntities | RuleEntities = NoEntities()
    store_size: int = 256
    measured_standardisation: bool = False

    def __post_init__(self) -> None:
        """Checks sizes."""
        if self.training.batch_size < 2:
            raise ConfigError(
                f"batch_size must be at least 2, got {self.training.batch_size}: a pair alone has "
                "nothing to be told from."
            )
        check_store_size(self.store_size, self.model.preprocessing.size)

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds texts, model, objective and batches."""
        store = inputs.store(self.store_size)
        pairs = training_pairs(inputs.manifest, store, self.entities)
        pieces = pairs.read(self.pieces.of)
        texts = [piece for parts in pieces for piece in parts]
        encoder = self.text.build(self.model.text, texts, inputs)
        model = GLoRIAModel(self._config(encoder, store), encoder)
        self.image_start.start(model.image_encoder)
        return PreparedStage(
            objective=GLoRIAObjective(model, pieces, self.losses),
            batches=pairs.batches(store, self.training.batch_size, inputs.seed),
            trained=model,
            finish=nothing_to_draw,
        )

    def _config(self, encoder: WordEncoder, store: ImageStore) -> GLoRIAConfig:
        preprocessing = standardisation(
            self.model.preprocessing, store, is_measured=self.measured_standardisation
        )
        return replace(self.model, text=encoder.config, preprocessing=preprocessing)
