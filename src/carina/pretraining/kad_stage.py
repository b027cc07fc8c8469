"""KAD's second stage as a stage of a recipe: what it needs of a run, made ready to train."""

import logging
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from carina.encoders.text import TextEncoder
from carina.errors import ConfigError
from carina.imaging.store import ImageStore
from carina.pretraining.image_side import check_store_size, standardisation
from carina.pretraining.image_source import FreshImage, ImageSource
from carina.pretraining.kad import KADConfig, KADModel
from carina.pretraining.kad_objective import KADLosses, KADObjective
from carina.pretraining.label_counts import write_label_counts
from carina.pretraining.pairs import training_pairs
from carina.pretraining.report_targets import (
    AnnotatedEntities,
    EntitySequence,
    FrequentObservations,
    LabelPolicy,
    OfficialEntitySequence,
    OfficialQueries,
    PaperQueries,
    RawReport,
    RuleEntities,
    SentenceRuleEntities,
    label_table,
    positive_weights,
)
from carina.pretraining.stage import PreparedStage, StageInputs
from carina.pretraining.text_side import text_side
from carina.pretraining.text_source import FinishedStage, TextSource
from carina.training.settings import TrainingSettings

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AlignmentStage:
    """Image-text contrast and the query network, guided by the knowledge stage's text encoder.

    `store_size` is the short side of the stored pictures that are augmented. With
    `measured_standardisation` mean and deviation are those of the store, as in the paper;
    otherwise the model's preprocessing says. `positive_weight_power` p weighs the present
    label of each finding by (absent / present) ** p; 0 weighs nothing. `reports` is how a
    report becomes a text, `entities` where its entities come from, `image_start` what the
    image encoder starts from.
    """

    name: str = "alignment"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(batch_size=64))
    model: KADConfig = field(default_factory=KADConfig)
    losses: KADLosses = field(default_factory=KADLosses)
    image_start: ImageSource = FreshImage()
    text: TextSource = FinishedStage()
    text_is_trained: bool = False
    queries: PaperQueries | OfficialQueries | FrequentObservations = FrequentObservations()
    labels: LabelPolicy = LabelPolicy()
    entities: AnnotatedEntities | RuleEntities | SentenceRuleEntities = AnnotatedEntities()
    reports: EntitySequence | OfficialEntitySequence | RawReport = EntitySequence()
    store_size: int = 256
    measured_standardisation: bool = True
    positive_weight_power: float = 0.0

    def __post_init__(self) -> None:
        """Checks sizes and weights."""
        check_store_size(self.store_size, self.model.preprocessing.size)
        if not self.positive_weight_power >= 0:
            raise ConfigError(
                f"positive_weight_power must be >= 0, got {self.positive_weight_power}."
            )

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds queries, labels, texts, model, objective and batches."""
        store = inputs.store(self.store_size)
        pairs = training_pairs(inputs.manifest, store, self.entities)
        names = self.queries.names(pairs.entities)
        texts = pairs.read(self.reports.of)
        labels = label_table(pairs.entities, names, self.labels)
        encoder = self.text.build(self.model.text, inputs).to(inputs.device)
        model = KADModel(self._config(encoder, store), encoder)
        self.image_start.start(model.image_encoder)
        model.query_norm.fit(encoder.encode(names))
        objective = KADObjective(
            model,
            text_side(encoder, names, texts, trained=self.text_is_trained),
            torch.from_numpy(labels),
            self.losses,
            positive_weights(labels, self.positive_weight_power),
        )
        batches = pairs.batches(store, self.training.batch_size, inputs.seed)
        return PreparedStage(
            objective=objective,
            batches=batches,
            trained=model,
            finish=partial(write_label_counts, names, labels),
        )

    def _config(self, encoder: TextEncoder, store: ImageStore) -> KADConfig:
        preprocessing = standardisation(
            self.model.preprocessing, store, is_measured=self.measured_standardisation
        )
        return replace(self.model, text=encoder.config, preprocessing=preprocessing)
