"""ECAMP as a stage of a recipe: what it needs of a run, made ready to train."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from carina.errors import ConfigError
from carina.imaging.store import ImageStore
from carina.pretraining.ecamp import ECAMPConfig, ECAMPModel
from carina.pretraining.ecamp_contrast_objective import NoContrast, ReportContrast
from carina.pretraining.ecamp_objective import (
    ECAMPLosses,
    ECAMPObjective,
    Everywhere,
    Guidance,
    Guided,
)
from carina.pretraining.entity_maps import EntityMapper, EntityMaps, write_entity_maps
from carina.pretraining.entity_texts import ByRules, DistilledEntities, FromManifest
from carina.pretraining.image_side import standardisation
from carina.pretraining.image_source import FreshImage
from carina.pretraining.masked_text import MaskedTextConfig, MaskedTexts
from carina.pretraining.pairs import Pairs, training_pairs
from carina.pretraining.published_mae import PublishedMAE
from carina.pretraining.report_targets import AnnotatedEntities, NoEntities, RuleEntities
from carina.pretraining.stage import PreparedStage, StageInputs, nothing_to_draw
from carina.pretraining.text_composition import TrainingText
from carina.pretraining.text_source import stage_tokenizer
from carina.report.sections import split_sections
from carina.study import Entity, Report
from carina.training.settings import TrainingSettings

MAPS = "entity_maps.safetensors"


@dataclass(frozen=True, kw_only=True)
class NotDistilled:
    """Nothing is distilled: ECAMP's Table 4 without CD."""

    def of(self, report: Report, entities: Sequence[Entity]) -> str:
        """Nothing."""
        return ""


@dataclass(frozen=True, kw_only=True)
class MapSource:
    """Which stage's model says where the entities are, and what it reads to say so."""

    stage: str = "gloria"
    texts: DistilledEntities = DistilledEntities()

    def maps(self, pairs: Pairs, store: ImageStore, inputs: StageInputs) -> EntityMaps:
        """The maps of all images, made once and kept in the stage's folder.

        Of several processes the first one prepares before the others do, which find the file.

        Raises:
            ConfigError: the run has no such stage, or its model makes no maps.
        """
        kept = inputs.folder / MAPS
        if not kept.exists():
            self._write(pairs, store, inputs, kept)
        return EntityMaps.open(kept)

    def _write(self, pairs: Pairs, store: ImageStore, inputs: StageInputs, path: Path) -> None:
        if self.stage not in inputs.finished:
            found = ", ".join(sorted(inputs.finished)) or "none"
            raise ConfigError(
                f"The maps of entities are to come from the stage {self.stage!r}; finished "
                f"stages: {found}. Put that stage before, give its run with --from, or train "
                "without maps."
            )
        model = inputs.load(inputs.finished[self.stage] / "model").to(inputs.device)
        if not isinstance(model, EntityMapper):
            raise ConfigError(
                f"The stage {self.stage!r} trained a {type(model).__name__}, which makes no maps "
                "of entities; expected a GLoRIA model."
            )
        write_entity_maps(model, pairs, self.texts, store, path)


@dataclass(frozen=True, kw_only=True)
class ECAMPStage:
    """Masked radiographs beside masked reports.

    `distillation` is where distilled reports come from, `entities` where entities do, for
    sentences and maps that are made of them. `texts` says how a report is composed, masked and
    weighed; `tokenizer` names a file or folder, and with None the vocabulary is learnt from the
    texts, at most the language model's `vocabulary` pieces. `maps` is what guides
    super-resolution, where the losses' window needs it. With `contrast` the model can be asked.
    `store_size` is the short side of the
    stored pictures that are augmented. With `measured_standardisation` mean and deviation are
    those of the store; otherwise the model's preprocessing says.
    """

    name: str = "ecamp"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(batch_size=8192))
    model: ECAMPConfig = field(default_factory=ECAMPConfig)
    losses: ECAMPLosses = field(default_factory=ECAMPLosses)
    image_start: FreshImage | PublishedMAE = FreshImage()
    tokenizer: str | None = None
    texts: MaskedTextConfig = MaskedTextConfig()
    distillation: FromManifest | ByRules | NotDistilled = FromManifest()
    entities: NoEntities | AnnotatedEntities | RuleEntities = NoEntities()
    maps: MapSource = MapSource()
    contrast: NoContrast | ReportContrast = NoContrast()
    store_size: int = 448
    measured_standardisation: bool = False

    def __post_init__(self) -> None:
        """Checks sizes."""
        if self.store_size < self.model.side:
            raise ConfigError(
                f"store_size ({self.store_size}) must be at least the side of the finest picture "
                f"that is guessed ({self.model.side} pixels)."
            )
        if self.texts.length > self.model.language.max_tokens:
            raise ConfigError(
                f"length of the masked texts ({self.texts.length}) must be at most the language "
                f"model's max_tokens ({self.model.language.max_tokens})."
            )

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds texts, model, objective and batches."""
        store = inputs.store(self.store_size)
        pairs = training_pairs(inputs.manifest, store, self.entities)
        objective, model = self.contrast.extend(self._masked(pairs, store, inputs), pairs)
        return PreparedStage(
            objective=objective,
            batches=pairs.batches(store, self.training.batch_size, inputs.seed),
            trained=model,
            finish=nothing_to_draw,
        )

    def _masked(self, pairs: Pairs, store: ImageStore, inputs: StageInputs) -> ECAMPObjective:
        """The model with fresh or published weights, and what it is trained by."""
        texts = report_texts(pairs, self.distillation)
        words = [words for text in texts for words in (text.report, text.distilled)]
        vocabulary = self.model.language.vocabulary
        tokenizer = stage_tokenizer(self.tokenizer, words, vocabulary, inputs)
        model = ECAMPModel(self._config(store), tokenizer)
        self.image_start.start(model.image_encoder)
        masked = MaskedTexts(tokenizer, texts, self.texts)
        guide = self._guide(pairs, store, inputs)
        return ECAMPObjective(model, masked, self.losses, guide)

    def _guide(self, pairs: Pairs, store: ImageStore, inputs: StageInputs) -> Guidance:
        window = self.losses.window
        if isinstance(window, Everywhere):
            return window
        return Guided(self.maps.maps(pairs, store, inputs), pairs.keys, window)

    def _config(self, store: ImageStore) -> ECAMPConfig:
        preprocessing = standardisation(
            self.model.preprocessing, store, is_measured=self.measured_standardisation
        )
        return replace(self.model, preprocessing=preprocessing)


def report_texts(
    pairs: Pairs, distillation: FromManifest | ByRules | NotDistilled
) -> tuple[TrainingText, ...]:
    """The words of each image's report and what was distilled of it; a report is read once."""

    def read(report: Report, entities: Sequence[Entity]) -> TrainingText:
        distilled = distillation.of(report, entities).lower()
        return TrainingText(report=reported_words(report), distilled=distilled)

    return pairs.read(read)


def reported_words(report: Report) -> str:
    """The sections that report, in lower case; the whole text where it has none."""
    text = report.text
    parts = [text[s.start : s.end] for s in split_sections(text) if s.reported]
    return " ".join(" ".join(parts or [text]).split()).lower()
