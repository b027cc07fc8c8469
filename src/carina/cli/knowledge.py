"""`carina knowledge`: ontologies, as one concept graph."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from carina.knowledge.graph import ConceptGraph
    from carina.knowledge.reach import Reach, Reached

EXAMPLES = (
    "carina knowledge hp.obo doid.obo uberon.obo --out graph.parquet",
    "carina knowledge hp.obo --chest --out chest.parquet",
    "carina knowledge my-findings.toml --out graph.parquet",
    "carina knowledge 2025AB/META --chest --restriction 0 --restriction 9 --out chest.parquet",
    "carina knowledge hp.obo --seeds pneumothorax --reach 2 --direction both --out near.parquet",
)
UMLS = "UMLS"
PART = "Part of the graph"


def knowledge(
    sources: Annotated[
        list[Path],
        typer.Argument(help="OBO files, folders of UMLS files (RRF), or TOML written by hand."),
    ],
    out: Annotated[Path, typer.Option(help="The graph, one Parquet file.")],
    chest: Annotated[
        bool,
        typer.Option("--chest", help="Keep what belongs to the chest.", rich_help_panel=PART),
    ] = False,
    seeds: Annotated[
        list[str] | None,
        typer.Option(
            help="Keep what is in reach of these: ids, names, or a file of them.",
            rich_help_panel=PART,
        ),
    ] = None,
    reach: Annotated[
        int | None,
        typer.Option(help="Steps from the seeds; default: any number.", rich_help_panel=PART),
    ] = None,
    along: Annotated[
        list[str] | None,
        typer.Option(help="Kinds of relation to follow; default: all.", rich_help_panel=PART),
    ] = None,
    direction: Annotated[
        Literal["down", "up", "both"],
        typer.Option(help="Down from a disease to its kinds, up, or both.", rich_help_panel=PART),
    ] = "down",
    language: Annotated[
        list[str] | None,
        typer.Option(help="Languages of names; default: ENG.", rich_help_panel=UMLS),
    ] = None,
    vocabulary: Annotated[
        list[str] | None,
        typer.Option(help="Source vocabularies, such as MSH; default: all.", rich_help_panel=UMLS),
    ] = None,
    semantic_type: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="Semantic types, such as T047; default: all.", rich_help_panel=UMLS
        ),
    ] = None,
    restriction: Annotated[
        list[int] | None,
        typer.Option(
            help="Licence levels you may use; default: 0 (9 is SNOMED CT).", rich_help_panel=UMLS
        ),
    ] = None,
) -> None:
    """Turns ontologies into a concept graph and prints what it holds."""
    from carina.knowledge.sources import reach_sources, read_sources
    from carina.knowledge.umls_names import UmlsSelection

    selection = UmlsSelection(
        languages=tuple(language or ["ENG"]),
        vocabularies=tuple(vocabulary or ()),
        types=tuple(semantic_type or ()),
        restrictions=tuple(restriction or [0]),
    )
    how = _reach(chest, seeds, reach, along, direction)
    if how is None:
        graph = read_sources(sources, selection)
    else:
        part = reach_sources(sources, how, selection)
        graph = part.graph
    graph.write(out)
    if how is not None:
        _print_seeds(part)
    _print_graph(out, graph)


def _reach(
    chest: bool,
    seeds: list[str] | None,
    steps: int | None,
    along: list[str] | None,
    direction: str,
) -> "Reach | None":
    """What part of the sources is wanted; None for all of it."""
    from carina.knowledge.reach import Direction, Reach, chest_reach, read_seeds

    own = read_seeds(seeds or ())
    if not chest and not own:
        if steps is not None or along or direction != "down":
            raise typer.BadParameter(
                "--reach, --along and --direction need --seeds or --chest to start from"
            )
        return None
    default = chest_reach()
    return Reach(
        seeds=(*(default.seeds if chest else ()), *own),
        steps=steps,
        along=tuple(along or (default.along if chest else ())),
        direction=Direction(direction),
    )


def _print_seeds(part: "Reached") -> None:
    started = sum(len(ids) for _, ids in part.found)
    print(f"from {started:,} concepts, named by {len(part.found) - len(part.missing)} seeds")
    if part.missing:
        print(f"  not in the sources: {', '.join(part.missing)}")


def _print_graph(out: Path, graph: "ConceptGraph") -> None:
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
