"""MaCo as a stage of a recipe: what it needs of a run, made ready to train."""

from dataclasses import dataclass, field, replace

from carina.encoders.report_encoder import ReportEncoder
from carina.errors import ConfigError
from carina.imaging.store import ImageStore
from carina.pretraining.image_side import standardisation
from carina.pretraining.image_source import FreshImage
from carina.pretraining.maco import MaCoConfig, MaCoModel
from carina.pretraining.maco_objective import MaCoLosses, MaCoObjective
from carina.pretraining.pairs import training_pairs
from carina.pretraining.published_mae import PublishedMAE
from carina.pretraining.report_pieces import FullStops, Sentences, Statements
from carina.pretraining.report_targets import AnnotatedEntities, NoEntities, RuleEntities
from carina.pretraining.stage import PreparedStage, StageInputs
from carina.pretraining.text_source import stage_tokenizer
from carina.pretraining.weight_history import WeightHistory
from carina.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class MaCoStage:
    """Masked reconstruction and contrast with reports, in one stage.

    `pieces` is what a report is cut into, `entities` where its entities come from, for pieces
    that are made of them. `tokenizer` names a file or folder; with None the vocabulary is learnt
    from the reports, at most the text encoder's `vocabulary` pieces. `image_start` is what the
    image encoder starts from. `store_size` is the short
    side of the stored pictures that are augmented. With `measured_standardisation` mean and
    deviation are those of the store; otherwise the model's preprocessing says.
    """

    name: str = "maco"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(batch_size=512))
    model: MaCoConfig = field(default_factory=MaCoConfig)
    losses: MaCoLosses = field(default_factory=MaCoLosses)
    image_start: FreshImage | PublishedMAE = FreshImage()
    tokenizer: str | None = None
    pieces: FullStops | Sentences | Statements = FullStops()
    entities: NoEntities | AnnotatedEntities | RuleEntities = NoEntities()
    store_size: int = 448
    measured_standardisation: bool = False

    def __post_init__(self) -> None:
        """Checks sizes."""
        side = self.model.preprocessing.size * self.model.decoder.resolution
        if self.store_size < side:
            raise ConfigError(
                f"store_size ({self.store_size}) must be at least what is reconstructed ({side} "
                "pixels: the model's input size times the decoder's resolution)."
            )

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds texts, model, objective and batches."""
        store = inputs.store(self.store_size)
        pairs = training_pairs(inputs.manifest, store, self.entities)
        pieces = pairs.read(self.pieces.of)
        config = self._config(store)
        texts = [piece for parts in pieces for piece in parts]
        encoder = ReportEncoder(
            config.text, stage_tokenizer(self.tokenizer, texts, config.text.vocabulary, inputs)
        )
        model = MaCoModel(config, encoder)
        self.image_start.start(model.image_encoder)
        objective = MaCoObjective(model, pieces, self.losses)
        batches = pairs.batches(store, self.training.batch_size, inputs.seed)
        history = WeightHistory.over(self.training.length(batches.steps_per_epoch), objective)
        return PreparedStage(objective=history, batches=batches, trained=model, finish=history.draw)

    def _config(self, store: ImageStore) -> MaCoConfig:
        preprocessing = standardisation(
            self.model.preprocessing, store, is_measured=self.measured_standardisation
        )
        return replace(self.model, preprocessing=preprocessing)
