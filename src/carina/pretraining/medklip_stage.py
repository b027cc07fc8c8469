"""MedKLIP's training as a stage of a recipe: what it needs of a run, made ready to train."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from carina.encoders.text import TextEncoder
from carina.errors import ConfigError, ReportError
from carina.files import progress
from carina.imaging.store import ImageStore
from carina.pretraining.finding_texts import BareNames, KnownDescriptions, known_descriptions
from carina.pretraining.image_side import check_store_size, standardisation
from carina.pretraining.image_source import FreshImage, ImageSource
from carina.pretraining.kept_embeddings import kept_embeddings
from carina.pretraining.label_counts import write_label_counts
from carina.pretraining.medklip import (
    BareName,
    MedKLIPConfig,
    MedKLIPModel,
    TrainedFinding,
)
from carina.pretraining.medklip_objective import MedKLIPLosses, MedKLIPObjective
from carina.pretraining.medklip_targets import (
    FrequentTriplets,
    LabelsOfFindings,
    LabelsOfTriplets,
    PaperTriplets,
    TripletTargets,
    triplet_matrix,
)
from carina.pretraining.pairs import Pairs, training_pairs
from carina.pretraining.report_targets import (
    AnnotatedEntities,
    Label,
    RuleEntities,
    SentenceRuleEntities,
    positive_weights,
)
from carina.pretraining.stage import PreparedStage, StageInputs
from carina.pretraining.text_source import BertText, TextSource
from carina.report.triplets import TripletVocabulary, triplets_of
from carina.study import Entity, Triplet
from carina.training.settings import TrainingSettings

LOGGER = logging.getLogger(__name__)
SENTENCE = "It is located at {}"  # MedKLIP's published code
EMBEDDINGS = "embeddings.safetensors"


@dataclass(frozen=True, kw_only=True)
class MedKLIPStage:
    """A decoder learns to say of described findings whether they are there, and where.

    `store_size` is the short side of the stored pictures that are augmented. With
    `measured_standardisation` mean and deviation are those of the store; otherwise the model's
    preprocessing says. `descriptions` names a file of more descriptions (`Descriptions.read`),
    which go before ours. `positive_weight_power` p weighs the present label of each finding by
    (absent / present) ** p; 0 weighs nothing. `image_start` is what the image encoder starts
    from, `text` where the text encoder, which is not trained, comes from.
    """

    name: str = "alignment"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(batch_size=32))
    model: MedKLIPConfig = field(default_factory=MedKLIPConfig)
    losses: MedKLIPLosses = field(default_factory=MedKLIPLosses)
    image_start: ImageSource = FreshImage()
    text: TextSource = BertText(paper_weights="emilyalsentzer/Bio_ClinicalBERT")
    triplets: PaperTriplets | FrequentTriplets = PaperTriplets()
    labels: LabelsOfTriplets | LabelsOfFindings = LabelsOfTriplets()
    entities: AnnotatedEntities | RuleEntities | SentenceRuleEntities = AnnotatedEntities()
    descriptions: str | None = None
    store_size: int = 256
    measured_standardisation: bool = False
    positive_weight_power: float = 0.0

    def __post_init__(self) -> None:
        """Checks sizes and weights."""
        check_store_size(self.store_size, self.model.preprocessing.size)
        if not self.positive_weight_power >= 0:
            raise ConfigError(
                f"positive_weight_power must be >= 0, got {self.positive_weight_power}."
            )

    def prepare(self, inputs: StageInputs) -> PreparedStage:
        """Builds targets, embeddings, model, objective and batches.

        Raises:
            ManifestError: there is no image with a report.
            ReportError: no report gives a triplet.
            KnowledgeError: a finding has no description, or the file of them cannot be read.
        """
        store = inputs.store(self.store_size)
        pairs = training_pairs(inputs.manifest, store, self.entities)
        wording = self._wording()
        vocabulary = self.triplets.vocabulary(pairs.entities, wording.knows)
        names = self.labels.names(vocabulary, pairs.entities)
        findings = wording.findings(names)
        pairs, targets = self._taught(pairs, vocabulary, names)
        encoder = self.text.build(self.model.text, inputs).to(inputs.device)
        sentences = [SENTENCE.format(position) for position in vocabulary.positions]
        texts = [*(finding.text for finding in findings), *sentences]
        embedded = kept_embeddings(inputs.folder / EMBEDDINGS, encoder, self.model.reading, texts)
        features, positions = embedded.split([len(findings), len(sentences)])
        model = MedKLIPModel(self._config(encoder, store, findings), encoder)
        self.image_start.start(model.image_encoder)
        model.query_norm.fit(features)
        model.get_buffer("finding_features").copy_(features)
        labels = targets.labels()
        weights = positive_weights(labels, self.positive_weight_power)
        objective = MedKLIPObjective(model, features, positions, targets, self.losses, weights)
        batches = pairs.batches(store, self.training.batch_size, inputs.seed)
        return PreparedStage(
            objective=objective,
            batches=batches,
            trained=model,
            finish=partial(write_label_counts, names, labels),
        )

    def _taught(
        self, pairs: Pairs, vocabulary: TripletVocabulary, names: Sequence[str]
    ) -> tuple[Pairs, TripletTargets]:
        """The images that train something, and what they train."""
        read, report_of, entities = triplets_of_reports(pairs, vocabulary)
        rows = with_triplets(read, report_of)
        labels = self.labels.table(names, entities, read)
        labels[:, [name in self.triplets.left_out for name in names]] = Label.IGNORED
        matrix = triplet_matrix(read, vocabulary, labels)
        chosen_reports = np.array([report_of[row] for row in rows])
        return pairs.of_rows(rows), TripletTargets(matrix, chosen_reports)

    def _wording(self) -> BareNames | KnownDescriptions:
        if isinstance(self.model.wording, BareName):
            return BareNames()
        return KnownDescriptions(known_descriptions(self.descriptions))

    def _config(
        self, encoder: TextEncoder, store: ImageStore, findings: tuple[TrainedFinding, ...]
    ) -> MedKLIPConfig:
        preprocessing = standardisation(
            self.model.preprocessing, store, is_measured=self.measured_standardisation
        )
        return replace(
            self.model, text=encoder.config, preprocessing=preprocessing, findings=findings
        )


def with_triplets(read: Sequence[Sequence[Triplet]], report_of: Sequence[int]) -> list[int]:
    """The images whose report gives a triplet; the others train nothing and are counted.

    Raises:
        ReportError: there are none.
    """
    rows = [row for row, report in enumerate(report_of) if read[report]]
    LOGGER.info(
        "%d of %d images have a report without a triplet: they train nothing",
        len(report_of) - len(rows),
        len(report_of),
    )
    if not rows:
        raise ReportError(
            f"None of {len(read)} reports gives a triplet, expected some: a finding, where it is, "
            "and whether it is there. Check that the reports are in English."
        )
    return rows


def triplets_of_reports(
    pairs: Pairs, vocabulary: TripletVocabulary
) -> tuple[list[tuple[Triplet, ...]], list[int], list[tuple[Entity, ...]]]:
    """The triplets of each different report, which report each image has, and the entities."""
    numbers: dict[int, int] = {}
    read: list[tuple[Triplet, ...]] = []
    report_of: list[int] = []
    different: list[tuple[Entity, ...]] = []
    rows = list(zip(pairs.reports, pairs.entities, strict=True))
    for report, entities in progress(rows, "triplets", len(rows)):
        if id(report) not in numbers:
            numbers[id(report)] = len(read)
            read.append(triplets_of(entities, report.text, vocabulary))
            different.append(entities)
        report_of.append(numbers[id(report)])
    return read, report_of, different
