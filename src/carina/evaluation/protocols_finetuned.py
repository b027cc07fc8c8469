"""What the papers measure after training with 1, 10 or 100% of the labels."""

from dataclasses import replace

from carina.datasets.drawn_splits import VALIDATION_SEED
from carina.evaluation.protocol import FineTuned, Part, Protocol, at_fractions
from carina.evaluation.protocols_asked import (
    CHEXNET_ORDER,
    COMPETITION,
    COVID_RURAL_LOVT,
    COVIDX,
    COVIDX_CLASSES,
    NIH_CHEXNET,
    NIH_OFFICIAL,
    RSNA_LOVT,
    RSNA_MGCA,
    RSNA_MRM,
    SIIM_LOVT,
    SIIM_MRM,
)
from carina.studies.manifest import Manifest
from carina.studies.splits import SplitShares, split_of_patient
from carina.study import Study

SHARES = (0.01, 0.1, 1.0)
CHEXPERT_VALIDATES = 5_000 / 223_414
"""The papers draw 5,000 of the 223,414 training radiographs to validate on."""

FEWEST_VALIDATING = 50
"""Of a part of the release, or a synthetic copy, so many patients validate, or a fifth."""


def valid_is_test(manifest: Manifest) -> Manifest:
    """CheXpert as MaCo and ECAMP use it: `valid.csv` tests, some of `train.csv` validates.

    The validating patients are drawn from a hash of their number, 5,000 of 223,414 on average;
    a study of the part that was kept back has no split. Of fewer than 2,235 patients that would
    be less than `FEWEST_VALIDATING`.
    """
    patients = len({one.patient_id for one in manifest.studies if one.split == "train"})
    share = max(CHEXPERT_VALIDATES, min(0.2, FEWEST_VALIDATING / max(patients, 1)))
    shares = SplitShares(train=1 - share, validate=share, test=0.0)
    return manifest.with_studies([_moved(study, shares) for study in manifest.studies])


def _moved(study: Study, shares: SplitShares) -> Study:
    parts = {
        "validate": "test",
        "train": split_of_patient(study.patient_id, VALIDATION_SEED, shares),
    }
    return replace(study, split=parts.get(study.split or ""))


CHEXPERT_VALID = Part(
    datasets=("chexpert",),
    images=202,
    told="the frontal radiographs of valid.csv (the papers score its 234, lateral ones too)",
    prepared=valid_is_test,
)
EDEMA = Part(
    datasets=("edema-severity",),
    told="the studies graded by consensus (the paper splits 6,524 reports 60 / 20 / 20)",
)

OWN_RECIPE = (
    "Trained by carina's own fine-tuning (docs/finetuning.md), the same for every start, not by "
    "the steps and rates of the paper's code."
)
PATIENTS = "The share is of training patients, nested and stratified; the paper draws images."
FRONTAL = "Frontal radiographs alone are trained on and scored."
EMPTY_IS_ONE = "Dice counts an empty mask on a radiograph without truth as 1, as the code does."
TRAINED = (OWN_RECIPE, PATIENTS)

AUC, DICE, MAP = ("auc",), ("dice_with_empty",), ("map",)
CLASSES = ("covid-19", "pneumonia", "no finding")
THREE_CLASSES = (
    "The class with the greatest score counts; a linear probe has an output for each class by "
    "itself. The validation part is drawn by patient."
)


def tuned(
    task: str, names: tuple[str, ...], metrics: tuple[str, ...], uncertain: str = "ignore"
) -> FineTuned:
    """A training; `at_fractions` says on what share."""
    return FineTuned(task=task, names=names, fraction=1.0, metrics=metrics, uncertain=uncertain)


KAD = at_fractions(
    "kad/chestxray14-classification",
    "Results, ChestXray14; Fig. 3",
    NIH_OFFICIAL,
    tuned("classification", CHEXNET_ORDER, AUC),
    SHARES,
    (
        *TRAINED,
        "An eighth of the training patients validates; the paper takes a tenth.",
        "A head on the image encoder is trained; the paper trains the query network too, as "
        "`carina finetune query-classification` does.",
    ),
)

MEDKLIP = (
    *at_fractions(
        "medklip/chestxray14-classification",
        "Section 5.2.1, Tables 5 and 12",
        NIH_OFFICIAL,
        tuned("classification", CHEXNET_ORDER, AUC),
        SHARES,
        (*TRAINED, "NIH's own test list, not a random split."),
    ),
    *at_fractions(
        "medklip/rsna-classification",
        "Section 5.2.1, Table 5",
        RSNA_LOVT,
        tuned("classification", ("pneumonia",), AUC),
        SHARES,
        TRAINED,
    ),
    *at_fractions(
        "medklip/siim-classification",
        "Section 5.2.1, Table 5",
        SIIM_LOVT,
        tuned("classification", ("pneumothorax",), AUC),
        SHARES,
        TRAINED,
    ),
    *at_fractions(
        "medklip/covidx-classification",
        "Section 5.2.1, Table 5",
        COVIDX,
        tuned("classification", ("covid-19",), AUC),
        SHARES,
        TRAINED,
    ),
    *at_fractions(
        "medklip/rsna-segmentation",
        "Section 5.2.2, Table 6",
        RSNA_LOVT,
        tuned("segmentation", ("pneumonia",), DICE),
        SHARES,
        (*TRAINED, EMPTY_IS_ONE),
    ),
    *at_fractions(
        "medklip/siim-segmentation",
        "Section 5.2.2, Table 6",
        SIIM_LOVT,
        tuned("segmentation", ("pneumothorax",), DICE),
        SHARES,
        (*TRAINED, EMPTY_IS_ONE),
    ),
    *at_fractions(
        "medklip/covid-rural-segmentation",
        "Section 5.2.2, Table 6",
        COVID_RURAL_LOVT,
        tuned("segmentation", ("lung opacity",), DICE),
        SHARES,
        (*TRAINED, EMPTY_IS_ONE),
    ),
    *at_fractions(
        "medklip/edema-grading",
        "Section 5.2.3, Table 7",
        EDEMA,
        tuned("grading", ("edema",), ("auc_one_rest",)),
        (1.0,),
        TRAINED,
    ),
)

MACO = (
    *at_fractions(
        "maco/chexpert-classification",
        "Results, Fine-tuning classification; Table 1",
        CHEXPERT_VALID,
        tuned("classification", COMPETITION, AUC),
        SHARES,
        (*TRAINED, FRONTAL),
    ),
    *at_fractions(
        "maco/rsna-classification",
        "Results, Fine-tuning classification; Tables 1 and 7",
        RSNA_MRM,
        tuned("classification", ("pneumonia",), AUC),
        SHARES,
        TRAINED,
    ),
    *at_fractions(
        "maco/chestxray14-classification",
        "Results, Fine-tuning classification; Tables 1 and 2",
        NIH_CHEXNET,
        tuned("classification", CHEXNET_ORDER, AUC),
        SHARES,
        TRAINED,
    ),
    *at_fractions(
        "maco/siim-segmentation",
        "Results, Fine-tuning segmentation; Table 3",
        SIIM_MRM,
        tuned("segmentation", ("pneumothorax",), DICE),
        SHARES[1:],
        (*TRAINED, EMPTY_IS_ONE),
    ),
    *at_fractions(
        "maco/covid-rural-segmentation",
        "Results, Fine-tuning segmentation; Table 3",
        COVID_RURAL_LOVT,
        tuned("segmentation", ("lung opacity",), DICE),
        SHARES[1:],
        (*TRAINED, EMPTY_IS_ONE),
    ),
    *at_fractions(
        "maco/rsna-detection",
        "Results, Fine-tuning detection; Table 4",
        RSNA_LOVT,
        tuned("detection", ("pneumonia",), ("map_coco",)),
        SHARES[1:],
        (
            *TRAINED,
            "All 5,337 test radiographs are scored, healthy ones too; the paper scores the 1,218 "
            "with boxes, where no false alarm on a healthy radiograph can count.",
        ),
    ),
)


def ecamp_classified(kind: str, task: str, of_three: str, section: str) -> tuple[Protocol, ...]:
    """ECAMP's four data sets, fine-tuned or with a linear probe; `of_three` is COVIDx's task."""
    return (
        *at_fractions(
            f"ecamp/chestxray14-{kind}",
            section,
            NIH_CHEXNET,
            tuned(task, CHEXNET_ORDER, AUC),
            SHARES,
            TRAINED,
        ),
        *at_fractions(
            f"ecamp/chexpert-{kind}",
            section,
            CHEXPERT_VALID,
            tuned(task, COMPETITION, AUC),
            SHARES,
            (
                *TRAINED,
                FRONTAL,
                "The published lists validate on the very images that are the test part; here "
                "other patients validate.",
            ),
        ),
        *at_fractions(
            f"ecamp/rsna-{kind}",
            section,
            RSNA_MRM,
            tuned(task, ("pneumonia",), AUC),
            SHARES,
            TRAINED,
        ),
        *at_fractions(
            f"ecamp/covidx-{kind}",
            section,
            COVIDX_CLASSES,
            tuned(of_three, CLASSES, ("accuracy_of_classes",)),
            SHARES,
            (*TRAINED, THREE_CLASSES),
        ),
    )


ECAMP = (
    *ecamp_classified(
        "classification", "classification", "multiclass", "Section 5.1, Tables 1 and S4"
    ),
    *ecamp_classified("linear", "linear-probe", "linear-probe", "Section 5.1, Tables 2 and S5"),
    *at_fractions(
        "ecamp/siim-segmentation",
        "Section 5.2, Table 3",
        SIIM_MRM,
        tuned("segmentation", ("pneumothorax",), DICE),
        SHARES,
        (
            *TRAINED,
            EMPTY_IS_ONE,
            "The lists are MRM's: the paper tells of 70 / 15 / 15 and publishes its own in code.",
        ),
    ),
    *at_fractions(
        "ecamp/rsna-segmentation",
        "Section 5.2, Table 3",
        RSNA_MGCA,
        tuned("segmentation", ("pneumonia",), DICE),
        SHARES,
        (*TRAINED, EMPTY_IS_ONE),
    ),
    *at_fractions(
        "ecamp/rsna-detection",
        "Section 5.2, Table 3",
        RSNA_MGCA,
        tuned("detection", ("pneumonia",), MAP),
        SHARES,
        (
            *TRAINED,
            "Every radiograph counts; the published code leaves out those without a box or "
            "without a detection, and scores its validation list.",
        ),
    ),
)

PROTOCOLS_FINETUNED = (*KAD, *MEDKLIP, *MACO, *ECAMP)
