"""Contrast alone as a stage of a recipe: the paper's ablation "KAD w/o DQN"."""

from dataclasses import dataclass, field, replace

from carina.encoders.text import TextEncoder
from carina.errors import ConfigError
from carina.imaging.store import ImageStore
from carina.pretraining.contrast import ContrastConfig, ContrastModel, ContrastObjective
from carina.pretraining.image_side import measured
from carina.pretraining.image_source import FreshImage, ImageSource
from carina.pretraining.kad_objective import KADLosses
from carina.pretraining.kad_stage import report_texts, text_side
from carina.pretraining.pairs import training_pairs
from carina.pretraining.report_targets import (
    AnnotatedEntities,
    EntitySequence,
    OfficialEntitySequence,
    RawReport,
    RuleEntities,
    SentenceRuleEntities,
)
from carina.pretraining.stage import PreparedStage, StageInputs, nothing_to_draw
from carina.pretraining.text_source import FinishedStage, TextSource
from carina.studies.batches import ImageBatches
from carina.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class ContrastStage:
    """Image-text contrast without a query network; fields as in `AlignmentStage`."""

    name: str = "alignment"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(batch_size=64))
    model: ContrastConfig = field(default_factory=ContrastConfig)
    losses: KADLosses = field(default_factory=KADLosses)
    image_start: ImageSource = FreshImage()
    text: TextSource = FinishedStage()
    text_is_trained: bool = False
    entities: AnnotatedEntities | RuleEntities | SentenceRuleEntities = AnnotatedEntities()
    reports: EntitySequence | OfficialEntitySequence | RawReport = EntitySequence()
    store_size: int = 256
    measured_standardisation: bool = True

    def __post_init__(self) -> None:
        """Checks sizes."""
        if self.store_size < self.model.preprocessing.size:
            raise ConfigError(
                f"store_size ({self.store_size}) must be at least the model's input size "
                f"({self.model.preprocessing.size})."
            )

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds texts, model, objective and batches."""
        store = inputs.store(self.store_size)
        pairs = training_pairs(inputs.manifest, store, self.entities)
        texts = report_texts(pairs, self.reports)
        encoder = self.text.build(self.model.text, inputs).to(inputs.device)
        model = ContrastModel(self._config(encoder, store), encoder)
        self.image_start.start(model.image_encoder)
        text = text_side(encoder, (), texts, trained=self.text_is_trained)
        return PreparedStage(
            objective=ContrastObjective(model, text, self.losses),
            batches=ImageBatches(
                pairs.keys, pairs.names, store, self.training.batch_size, inputs.seed
            ),
            trained=model,
            finish=nothing_to_draw,
        )

    def _config(self, encoder: TextEncoder, store: ImageStore) -> ContrastConfig:
        preprocessing = self.model.preprocessing
        if self.measured_standardisation:
            preprocessing = measured(preprocessing, store)
        return replace(self.model, text=encoder.config, preprocessing=preprocessing)
