"""Fills the reproduction report from what was carried out."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from carina.evaluation.at_hand import AtHand
from carina.evaluation.page_values import measured_of
from carina.evaluation.papers import (
    BY_USERS,
    MEAN,
    Reported,
    by_users,
    cited,
    claimed,
    numbers_of,
)
from carina.evaluation.protocol import Protocol
from carina.evaluation.protocol_run import PROTOCOL
from carina.evaluation.reproduction import Outcome, deviations_of
from carina.evaluation.result import Evaluation, Score
from carina.pages.reproduction import (
    Found,
    ProtocolReport,
    Reports,
    ReproductionReport,
    ReproductionRow,
)
from carina.pages.table import metric_name


def reproduction_report(
    outcomes: Sequence[Outcome], models: Sequence[str], data: AtHand, facts: Sequence[str]
) -> ReproductionReport:
    """Outcomes as a page.

    Args:
        outcomes: of every protocol and model, a protocol's one after the other.
        models: their names, in the order of the columns.
        data: what was at hand.
        facts: about the run, in sentences.
    """
    groups = [list(group) for _, group in groupby(outcomes, lambda one: one.protocol.name)]
    done = [group for group in groups if any(one.evaluation is not None for one in group)]
    papers = groupby(done, lambda group: group[0].protocol.paper)
    manifests = ", ".join(
        f"{name} ({len(manifest):,} studies)" for name, manifest in data.manifests.items()
    )
    unused = [f"{name} {why.removesuffix('.')}." for name, why in data.unused.items()]
    return ReproductionReport(
        title="Reproduction report",
        models=tuple(models),
        papers=tuple(
            (cited(paper), tuple(protocol_report(group, models) for group in members))
            for paper, members in papers
        ),
        not_done=tuple(not_done(outcomes, len(models))),
        synthetic=tuple(group[0].protocol.name for group in done if is_drawn(group)),
        facts=(*facts, f"Data at hand: {manifests}.", *unused),
    )


def is_drawn(outcomes: Sequence[Outcome]) -> bool:
    """Whether the radiographs of a protocol were drawn."""
    made = [one.evaluation for one in outcomes if one.evaluation is not None]
    return any(one.settings[PROTOCOL].get("synthetic", False) for one in made)


def protocol_report(outcomes: Sequence[Outcome], models: Sequence[str]) -> ProtocolReport:
    """One protocol with the outcomes of all models."""
    protocol = outcomes[0].protocol
    by_model = {one.model: one.evaluation for one in outcomes}
    evaluations = [by_model.get(model) for model in models]
    told = [one.settings[PROTOCOL] for one in evaluations if one is not None]
    digests = dict.fromkeys(one["digest"][:16] for one in told)
    return ProtocolReport(
        name=protocol.name,
        told=f"{protocol.task.told}; {protocol.part.told}. {protocol.section}.",
        digest=f"Radiographs: sha256 {', '.join(digests)} of their sorted names.",
        rows=tuple(row_of(protocol, metric, evaluations) for metric in protocol.metrics),
        deviations=tuple(
            line if len(whose) == len(told) else f"{', '.join(whose)}: {line}"
            for line, whose in deviations_of(outcomes).items()
        ),
        groups=tuple(
            line
            for model, one in zip(models, evaluations, strict=True)
            if one is not None
            for line in group_lines(model, one)
        ),
        others=tuple(other_row(number) for number in numbers_of(protocol.name)),
    )


def row_of(
    protocol: Protocol, metric: str, evaluations: Sequence[Evaluation | None]
) -> ReproductionRow:
    """One metric: the paper, users, and each model."""
    paper = claimed(protocol.name, metric)
    return ReproductionRow(
        metric=metric_name(metric),
        paper=reports(paper),
        users=reports(by_users(protocol.name, metric)),
        found=tuple(None if one is None else found_in(one, metric, paper) for one in evaluations),
    )


def found_in(evaluation: Evaluation, metric: str, paper: Reported | None) -> Found:
    """What an evaluation gives of a metric."""
    score = evaluation.mean.get(metric, Score(value=None, reason="not measured"))
    told = evaluation.settings[PROTOCOL]
    radiographs, as_many = counted(told), told["images"] == told["images_in_the_paper"]
    measured = measured_of(score)
    if score.value is None:
        return Found(
            measured=measured, text="–", interval=score.reason or "", radiographs=radiographs
        )
    if score.low is None or score.high is None:
        return Found(
            measured=measured,
            text=f"{score.value:.3f}",
            interval="no interval",
            radiographs=radiographs,
        )
    return Found(
        measured=measured,
        text=f"{score.value:.3f}",
        interval=f"{score.low:.3f} to {score.high:.3f}",
        radiographs=radiographs,
        holds_the_paper=score.low <= paper.value <= score.high if paper and as_many else None,
    )


def counted(told: Mapping[str, Any]) -> str:
    """How many radiographs were scored, and of how many where the paper scores others."""
    here, there = told["images"], told["images_in_the_paper"]
    return f"{here:,}" if there in (None, here) else f"{here:,} of {there:,}"


def reports(number: Reported | None) -> Reports | None:
    """A reported number as text."""
    if number is None:
        return None
    note = f"; {number.note}" if number.note else ""
    return Reports(value=number.value, text=number.text, where=f"{number.where}{note}")


def other_row(number: Reported) -> tuple[str, str, str, str]:
    """A reported number as a row of the folded table."""
    finding = "" if number.finding == MEAN else f", {number.finding}"
    marked = "users: " if number.by == BY_USERS else ""
    note = f"; {number.note}" if number.note else ""
    return (
        number.name,
        f"{metric_name(number.metric)}{finding}",
        number.text,
        f"{marked}{number.where}{note}",
    )


def group_lines(model: str, evaluation: Evaluation) -> list[str]:
    """The groups of a protocol, each in a sentence."""
    lines = []
    for name, group in evaluation.settings[PROTOCOL].get("groups", {}).items():
        auc = group["mean"].get("auc", {"value": None})
        mean = "undefined" if auc["value"] is None else f"{auc['value']:.3f}"
        reaching = "".join(f", {count} reach {level}" for level, count in group["reaching"].items())
        lines.append(
            f"{model}, {name}: {group['findings']} findings, {group['defined']} of them with an "
            f"AUC; mean AUC {mean}{reaching}."
        )
    return lines


def not_done(outcomes: Sequence[Outcome], models: int) -> list[tuple[str, str]]:
    """Reason and what it concerns, protocols of one reason together."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for one in outcomes:
        if one.evaluation is None:
            concerned = by_reason.setdefault(one.reason, {})
            concerned.setdefault(one.protocol.name, []).append(one.model)
    return [
        (
            reason,
            ", ".join(
                name if len(whose) == models else f"{name} ({', '.join(whose)})"
                for name, whose in concerned.items()
            ),
        )
        for reason, concerned in by_reason.items()
    ]
