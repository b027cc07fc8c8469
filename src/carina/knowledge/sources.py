"""Several files of different form as one graph."""

from collections.abc import Sequence
from pathlib import Path

from carina.errors import KnowledgeError
from carina.knowledge.chest import read_toml
from carina.knowledge.graph import ConceptGraph
from carina.knowledge.obo import merge, read_obo


def read_sources(paths: Sequence[Path]) -> ConceptGraph:
    """Reads OBO (.obo), hand-written (.toml) and finished (.parquet) graphs as one.

    Raises:
        KnowledgeError: a file has another ending, or cannot be used.
    """
    readers = {".toml": read_toml, ".parquet": ConceptGraph.read}
    ontologies = [path for path in paths if path.suffix == ".obo"]
    graphs = [read_obo(ontologies)] if ontologies else []
    for path in paths:
        if path.suffix in readers:
            graphs.append(readers[path.suffix](path))
        elif path.suffix != ".obo":
            raise KnowledgeError(
                f"{path}: ends in {path.suffix!r}, expected .obo, .toml or .parquet. Name an "
                "ontology in OBO."
            )
    return merge(graphs)
