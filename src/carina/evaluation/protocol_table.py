"""What a protocol found, for the terminal."""

from rich.table import Table
from rich.text import Text

from carina.evaluation.papers import beside
from carina.evaluation.protocol import Protocol
from carina.evaluation.protocol_run import PROTOCOL
from carina.evaluation.result import Evaluation, Score
from carina.evaluation.score_cell import score_text
from carina.pages.table import metric_name


def protocol_table(evaluation: Evaluation, protocol: Protocol) -> Table:
    """The protocol's metrics, each beside the paper's number and that of users."""
    told = evaluation.settings[PROTOCOL]
    scored = f"{told['images']:,} radiographs"
    table = Table(
        title=Text(f"{protocol.name}: {protocol.task.told}, {scored}; 95% intervals"),
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for heading in ("metric", "ours", "paper", "users of the released weights"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for metric in protocol.metrics:
        paper, users = beside(protocol.name, metric)
        ours = evaluation.mean.get(metric, Score(value=None))
        table.add_row(metric_name(metric), score_text(ours), paper, users)
    for name, group in told.get("groups", {}).items():
        mean = Score.from_json(group["mean"].get("auc", {"value": None}))
        reaching = [f"{count} reach {level}" for level, count in group["reaching"].items()]
        label = f"{metric_name('auc')}, {group['findings']} {name}"
        table.add_row(label, score_text(mean), "", ", ".join(reaching))
    return table


def protocol_lines(evaluation: Evaluation) -> list[str]:
    """How near to the paper the protocol came: the images' digest, and every deviation."""
    told = evaluation.settings[PROTOCOL]
    return [
        f"radiographs: sha256 {told['digest'][:16]} of their sorted names",
        *(f"otherwise: {line}" for line in told["deviations"]),
    ]
