"""The similarity of finding names before and after stage 1 (KAD's Supplementary Figure 7)."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray

from carina.encoders.text import TextEncoder
from carina.files import write_text
from carina.knowledge.graph import ConceptGraph, ConceptKind
from carina.knowledge.kinship import Kinship
from carina.pages.matrices import similarity_chart

MOST_NAMES = 36
NUMBERS = "similarity.json"


@dataclass(frozen=True, kw_only=True)
class SimilarityMap:
    """Names of findings, in an order in which neighbours have much in common."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, graph: ConceptGraph) -> "SimilarityMap":
        """The findings of a graph that most is known of, or any concepts where it has none."""
        kinds = (ConceptKind.FINDING, ConceptKind.DEVICE, ConceptKind.DISEASE)
        concepts = graph.of_kind(*kinds) or graph.concepts
        richest = sorted(concepts, key=lambda concept: -len(graph.leaving(concept.id)))[:MOST_NAMES]
        ids = [concept.id for concept in richest]
        return cls(names=tuple(graph[i].name for i in in_a_row(ids, Kinship(graph).matrix(ids))))

    def measured(self, encoder: TextEncoder) -> NDArray[np.float32]:
        """Cosines between the embedded names: [names, names] in [-1, 1]."""
        vectors = F.normalize(encoder.encode(self.names), dim=1).cpu()
        cosines: NDArray[np.float32] = (vectors @ vectors.T).numpy()
        return cosines

    def draw(self, before: NDArray[np.float32], after: NDArray[np.float32], folder: Path) -> None:
        """Writes `similarity.svg`, both matrices side by side, and their numbers as JSON."""
        headings = ("before stage 1", "after stage 1")
        write_text(folder / "similarity.svg", similarity_chart(self.names, before, after, headings))
        rows = {"before": before.round(4).tolist(), "after": after.round(4).tolist()}
        write_text(folder / NUMBERS, json.dumps({"names": self.names, **rows}))


def in_a_row(ids: list[str], likeness: NDArray[np.float32]) -> list[str]:
    """Orders concepts so that each is followed by the most alike that is left."""
    left = list(range(1, len(ids)))
    row = [0] if ids else []
    while left:
        following = max(left, key=lambda place: (likeness[row[-1], place], -place))
        left.remove(following)
        row.append(following)
    return [ids[place] for place in row]
