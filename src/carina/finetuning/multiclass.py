"""Classes of which exactly one is true, such as COVIDx: the model, its labels and its weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carina.encoders.image_configs import ImageConfig
from carina.errors import ConfigError, ManifestError
from carina.finetuning.labels import LabelledImages
from carina.finetuning.linear_on_grid import LinearOnGrid, chosen
from carina.finetuning.outputs import columns_of, encoded_by_output
from carina.imaging.preprocessing import Preprocessing
from carina.zeroshot.protocol import Answers, EncodedQueries, Query


@dataclass(frozen=True, kw_only=True)
class MultiClassConfig:
    """Settings of a multi-class classifier: `classes` are its outputs, in canonical form."""

    image: ImageConfig
    preprocessing: Preprocessing
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Checks the outputs."""
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ConfigError(
                f"classes must be two or more different names, got {self.classes}: one of them "
                "is true of every image."
            )


class MultiClassClassifier(LinearOnGrid):
    """Mean of the encoder's grid, standardised, then one linear output a class, under a softmax.

    Fulfils `ZeroShotModel`, for its own classes: their probabilities add up to one. A place's
    share in the logit of a class is its map, as in `Classifier`.
    """

    def __init__(self, config: MultiClassConfig) -> None:
        super().__init__(config.image, len(config.classes))
        self.config = config

    @classmethod
    def from_config(cls, config: MultiClassConfig) -> "MultiClassClassifier":
        """A classifier with fresh weights."""
        return cls(config)

    @property
    def preprocessing(self) -> Preprocessing:
        """What the image encoder takes."""
        return self.config.preprocessing

    def forward(
        self, radiographs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of all classes, for training."""
        return self.outputs(radiographs)

    def encode_queries(self, queries: Sequence[Query]) -> EncodedQueries:
        """Finds the output of each query.

        Raises:
            QueryError: a class that this classifier was not trained on.
        """
        return encoded_by_output(queries, self.config.classes)

    @torch.no_grad()
    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        """Probability of each class among all of them, and the share of each place in its logit."""
        shares = self.shares(radiographs)
        scores = shares.mean((1, 2)).softmax(1)
        return chosen(scores, shares, columns_of(queries, radiographs.device))


def of_one_class(images: LabelledImages, classes: Sequence[str], where: str) -> LabelledImages:
    """The images of which exactly one class is known to be present; of the others it is absent.

    Raises:
        ConfigError: fewer than two classes.
        ManifestError: a study has two of the classes, or no image has one.
    """
    if len(classes) < 2:
        raise ConfigError(
            f"{where}: the classes are {', '.join(classes) or 'none'}; expected two or more, for "
            "one of them is true of every image. A finding by itself is a matter of the task "
            "classification."
        )
    present = images.labels == 1
    twice = np.flatnonzero(present.sum(axis=1) > 1)
    if len(twice):
        found = [name for name, given in zip(classes, present[twice[0]], strict=True) if given]
        raise ManifestError(
            f"{where}: {len({images.studies[row] for row in twice})} studies have two labels, such "
            f"as {images.studies[twice[0]]!r} with {' and '.join(found)}; expected one, for "
            "classes exclude one another here. Use the task classification, or correct the labels."
        )
    rows = np.flatnonzero(present.any(axis=1)).tolist()
    if not rows:
        raise ManifestError(
            f"{where}: no image has one of the classes {', '.join(classes)}; expected some."
        )
    return replace(images, labels=present.astype(np.float64)).of_rows(rows)


def class_weights(
    labels: Float[np.ndarray, "images classes"], power: float
) -> Float[Tensor, "classes"]:
    """(mean count / count) ** power of each class; 1 for one that never occurs."""
    counts = (labels == 1).sum(axis=0)
    ratio = np.where(counts > 0, counts.mean() / np.maximum(counts, 1), 1.0)
    return torch.from_numpy(ratio**power).float()
