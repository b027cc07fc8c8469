"""Several sources of different form as one graph: all of it, or what is in reach of seeds."""

from collections.abc import Callable, Sequence
from pathlib import Path

from carina.errors import KnowledgeError
from carina.knowledge.chest import read_toml
from carina.knowledge.graph import ConceptGraph
from carina.knowledge.obo import merge, read_obo
from carina.knowledge.reach import Reach, Reached, reach
from carina.knowledge.umls import reach_umls, read_umls
from carina.knowledge.umls_names import UmlsSelection

READERS: dict[str, Callable[[Path], ConceptGraph]] = {
    ".toml": read_toml,
    ".parquet": ConceptGraph.read,
}


def read_sources(paths: Sequence[Path], selection: UmlsSelection | None = None) -> ConceptGraph:
    """Reads folders of UMLS files (RRF), OBO, hand-written (.toml) and finished (.parquet) graphs.

    Raises:
        KnowledgeError: a source is of another form, or cannot be used.
    """
    ontologies = [path for path in paths if path.suffix == ".obo"]
    graphs = [read_obo(ontologies)] if ontologies else []
    for path in paths:
        if path.is_dir():
            graphs.append(read_umls(path, selection))
        elif path.suffix in READERS:
            graphs.append(READERS[path.suffix](path))
        elif path.suffix != ".obo":
            raise KnowledgeError(
                f"{path}: ends in {path.suffix!r}, expected .obo, .toml or .parquet, or a folder "
                "with RRF files. Name an ontology in OBO, or the folder META of a UMLS release."
            )
    return merge(graphs)


def reach_sources(
    paths: Sequence[Path], how: Reach, selection: UmlsSelection | None = None
) -> Reached:
    """The part of the sources that is in reach of seeds.

    One folder of UMLS files alone is never built whole, so that its size does not matter.

    Raises:
        KnowledgeError: a source cannot be used, or has no seed.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return reach_umls(paths[0], how, selection)
    return reach(read_sources(paths, selection), how)
