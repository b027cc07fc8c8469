"""`carina knowledge`: ontologies, as one concept graph."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    "carina knowledge hp.obo doid.obo uberon.obo --out graph.parquet",
    "carina knowledge hp.obo --chest --out chest.parquet",
    "carina knowledge my-findings.toml --out graph.parquet",
)


def knowledge(
    sources: Annotated[list[Path], typer.Argument(help="OBO files, or TOML written by hand.")],
    out: Annotated[Path, typer.Option(help="The graph, one Parquet file.")],
    chest: Annotated[bool, typer.Option("--chest", help="Keep what belongs to the chest.")] = False,
) -> None:
    """Turns ontologies into a concept graph and prints what it holds."""
    from carina.knowledge.obo import chest_part
    from carina.knowledge.sources import read_sources

    graph = read_sources(sources)
    if chest:
        graph = chest_part(graph)
    graph.write(out)
    numbers = graph.statistics()
    print(f"{out}: {numbers.concepts:,} concepts, {numbers.relations:,} relations")
    print(
        f"  {numbers.defined:,} with a definition, {numbers.with_cui:,} with a UMLS identifier, "
        f"{numbers.synonyms:,} synonyms"
    )
    for name, count in (*numbers.kinds, *numbers.relation_kinds):
        print(f"  {name:<32} {count:>8,}")
    for origin in graph.origins:
        details = ", ".join(text for text in (origin.version, origin.licence) if text)
        print(f"  from {origin.name}" + (f" ({details})" if details else ""))
        for reason, count in origin.left_out:
            print(f"    left out, {reason}: {count:,}")
