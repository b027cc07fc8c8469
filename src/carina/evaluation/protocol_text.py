"""Protocols in words: a list of all, and everything about one."""

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table

from carina.evaluation.papers import cited, numbers_of
from carina.evaluation.protocol import Asked, Protocol
from carina.pages.table import metric_name


def protocol_list(protocols: Iterable[Protocol]) -> Table:
    """One row a protocol, those at several shares of the labels in one."""
    found = families(protocols)
    longest = max((len(label(name, shares)) for name, (shares, _) in found.items()), default=0)
    table = Table(box=None, pad_edge=False)
    table.add_column("protocol", no_wrap=True, min_width=longest)  # is typed, so whole
    table.add_column("what, dataset, radiographs")
    for name, (shares, protocol) in found.items():
        told = [protocol.task.told.partition(" with ")[0], " or ".join(protocol.part.datasets)]
        if protocol.part.images is not None:
            told.append(f"{protocol.part.images:,}")
        table.add_row(label(name, shares), ", ".join(told))
    return table


def label(name: str, shares: Sequence[str]) -> str:
    """A protocol's name, with all shares of the labels that it has."""
    return f"{name}@{'|'.join(shares)}" if shares else name


def families(protocols: Iterable[Protocol]) -> dict[str, tuple[list[str], Protocol]]:
    """Name without its share -> the shares, and the first protocol."""
    found: dict[str, tuple[list[str], Protocol]] = {}
    for protocol in protocols:
        name, _, share = protocol.name.partition("@")
        shares, _ = found.setdefault(name, ([], protocol))
        if share:
            shares.append(share)
    return found


def protocol_text(protocol: Protocol) -> Iterator[str]:
    """Lines that tell of a protocol."""
    part, task = protocol.part, protocol.task
    yield f"{protocol.name}: {task.told}"
    yield f"paper: {cited(protocol.paper)}, {protocol.section}"
    yield f"dataset: {' or '.join(part.datasets)}, part {part.split or 'all'}: {part.told}"
    if part.images is not None:
        yield f"radiographs in the paper: {part.images:,}"
    if part.digest is not None:
        yield f"sha256 of their sorted names: {part.digest}"
    if isinstance(task, Asked):
        yield f"asked ({len(task.queries)}): {', '.join(query.text for query in task.queries)}"
        yield f"thresholds: greatest {metric_name(task.threshold_rate)} on validation data"
    elif task.names:
        yield f"findings: {', '.join(task.names)}"
    yield f"metrics: {', '.join(metric_name(metric) for metric in protocol.metrics)}"
    yield f"input: {protocol.input_size} pixels"
    for line in protocol.departures:
        yield f"otherwise: {line}"
    for number in numbers_of(protocol.name):
        finding = "" if number.finding == "mean" else f" of {number.finding}"
        note = f"; {number.note}" if number.note else ""
        yield (
            f"{number.by}: {number.name}: {metric_name(number.metric)}{finding} {number.text} "
            f"({number.where}{note})"
        )
