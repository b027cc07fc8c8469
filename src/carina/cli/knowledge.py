"""`carina knowledge`: ontologies, as one concept graph."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from carina.knowledge.graph import ConceptGraph
    from carina.knowledge.linking import LinkSummary
    from carina.knowledge.reach import Reach, Reached
    from carina.knowledge.survey import GraphSurvey

EXAMPLES = (
    "carina knowledge hp.obo doid.obo uberon.obo --out graph.parquet",
    "carina knowledge hp.obo --chest --out chest.parquet",
    "carina knowledge my-findings.toml --out graph.parquet",
    "carina knowledge 2025AB/META --chest --restriction 0 --restriction 9 --out chest.parquet",
    "carina knowledge graph.parquet --out graph.parquet --page graph.html --link annotated.parquet",
    "carina knowledge hp.obo --seeds pneumothorax --reach 2 --direction both --out near.parquet",
)
UMLS = "UMLS"
SHOWN = 10  # examples of what was not linked
PART = "Part of the graph"


def knowledge(
    sources: Annotated[
        list[Path],
        typer.Argument(help="OBO files, folders of UMLS files (RRF), or TOML written by hand."),
    ],
    out: Annotated[Path, typer.Option(help="The graph, one Parquet file.")],
    page: Annotated[
        Path | None, typer.Option(help="A page (HTML) to search and browse the graph.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="A file for all numbers.")] = None,
    link: Annotated[
        Path | None,
        typer.Option(help="An annotated manifest: which of its entities the graph knows."),
    ] = None,
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
    import json as notation

    from carina.files import write_text
    from carina.knowledge.page import graph_page
    from carina.knowledge.sources import reach_sources, read_sources
    from carina.knowledge.survey import survey
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
    found = survey(graph)
    _print_graph(out, graph, found)
    numbers = found.to_dict()
    if link is not None:
        summary = _linked(link, graph)
        _print_links(summary)
        numbers["links"] = summary.to_dict()
    if page is not None:
        write_text(page, graph_page(graph, out.stem))
        print(f"Written: {page}")
    if json is not None:
        write_text(json, notation.dumps(numbers, indent=1, ensure_ascii=False) + "\n")
        print(f"Written: {json}")


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


def _print_graph(out: Path, graph: "ConceptGraph", found: "GraphSurvey") -> None:
    counts = found.counts
    print(f"{out}: {counts.concepts:,} concepts, {counts.relations:,} relations")
    print(
        f"  {counts.defined:,} with a definition, {counts.with_cui:,} with a UMLS identifier, "
        f"{counts.synonyms:,} synonyms"
    )
    for name, count in (*counts.kinds, *counts.relation_kinds):
        print(f"  {name:<32} {count:>8,}")
    print(
        f"  {found.components:,} components, the largest of {found.largest:,} concepts; "
        f"{found.orphans:,} concepts without relation"
    )
    print(f"  {len(found.shared):,} names of several concepts" + _examples(found))
    print(f"  longest name: {found.longest_names[0]}")
    for origin in graph.origins:
        details = ", ".join(text for text in (origin.version, origin.licence) if text)
        print(f"  from {origin.name}" + (f" ({details})" if details else ""))
        for reason, count in origin.left_out:
            print(f"    left out, {reason}: {count:,}")


def _examples(found: "GraphSurvey") -> str:
    few = ", ".join(f"{shared.name} ({len(shared.concepts)})" for shared in found.shared[:3])
    return f", such as {few}" if few else ""


def _linked(manifest: Path, graph: "ConceptGraph") -> "LinkSummary":
    """Links the entities of a manifest's reports."""
    from carina.errors import ManifestError
    from carina.knowledge.linking import Linker, link_entities
    from carina.studies.manifest import Manifest

    studies = Manifest.read(manifest).studies
    entities = [entity for study in studies for entity in study.report.entities or ()]
    if not entities:
        raise ManifestError(
            f"{manifest}: holds no entity to link, expected those of its reports. Find them with "
            f"`carina annotate {manifest} --out annotated.parquet`."
        )
    return link_entities(Linker(graph), entities)


def _print_links(summary: "LinkSummary") -> None:
    print(
        f"{summary.mentions:,} entities: {summary.linked / summary.mentions:.1%} linked, "
        f"{summary.ambiguous / summary.mentions:.1%} with several meanings"
    )
    for way, count in summary.by_way:
        print(f"  by {way.value:<28} {count:>8,}")
    several = [term for term in summary.terms if term.link.ambiguous]
    for term in several[:SHOWN]:
        meant = ", ".join(f"{concept.name} ({concept.id})" for concept in term.link.concepts[:3])
        print(f"  several meanings: {term.link.phrase} ({term.mentions:,}): {meant}")
    unknown = [term for term in summary.terms if not term.link.meanings]
    told = ", ".join(f"{term.term} ({term.mentions:,})" for term in unknown[:SHOWN])
    print(f"  {len(unknown):,} terms not in the graph" + (f": {told}" if told else ""))
