"""Contrast alone as a stage of a recipe: the paper's ablation "KAD w/o DQN"."""

from dataclasses import dataclass, field, replace

from carina.encoders.text import TextEncoder
from carina.imaging.store import ImageStore
from carina.pretraining.contrast import ContrastConfig, ContrastModel, ContrastObjective
from carina.pretraining.image_side import check_store_size, standardisation
from carina.pretraining.image_source import FreshImage, ImageSource
from carina.pretraining.kad_objective import KADLosses
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
from carina.pretraining.text_side import text_side
from carina.pretraining.text_source import FinishedStage, TextSource
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
        check_store_size(self.store_size, self.model.preprocessing.size)

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds texts, model, objective and batches."""
        store = inputs.store(self.store_size)
        pairs = training_pairs(inputs.manifest, store, self.entities)
        texts = pairs.read(self.reports.of)
        encoder = self.text.build(self.model.text, inputs).to(inputs.device)
        model = ContrastModel(self._config(encoder, store), encoder)
        self.image_start.start(model.image_encoder)
        text = text_side(encoder, (), texts, trained=self.text_is_trained)
        return PreparedStage(
            objective=ContrastObjective(model, text, self.losses),
            batches=pairs.batches(store, self.training.batch_size, inputs.seed),
            trained=model,
            finish=nothing_to_draw,
        )

    def _config(self, encoder: TextEncoder, store: ImageStore) -> ContrastConfig:
        preprocessing = standardisation(
            self.model.preprocessing, store, is_measured=self.measured_standardisation
        )
        return replace(self.model, text=encoder.config, preprocessing=preprocessing)
