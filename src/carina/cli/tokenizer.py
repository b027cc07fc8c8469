"""`carina tokenizer`: a word-piece vocabulary, learnt from reports."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = ("carina tokenizer cohort.parquet --out tokenizer --vocabulary 30000",)


def tokenizer(
    manifest: Annotated[Path, typer.Argument(help="Manifest with reports.")],
    out: Annotated[Path, typer.Option(help="Folder for tokenizer.json.")],
    vocabulary: Annotated[int, typer.Option(help="Most pieces that it may have.")] = 30_000,
) -> None:
    """Learns a lower-case WordPiece vocabulary from the reports, distilled ones among them."""
    from carina.encoders.tokenizer import train_wordpiece
    from carina.errors import ReportError
    from carina.files import write_text
    from carina.studies.manifest import Manifest

    studies = Manifest.read(manifest).studies
    reports = [study.report.text for study in studies if study.report.text.strip()]
    if not reports:
        raise ReportError(
            f"{manifest}: none of {len(studies)} studies has a report, and words can be learnt "
            "from reports only. Index a data set that has some."
        )
    distilled = [study.report.distilled for study in studies if study.report.distilled]
    learnt = train_wordpiece([*reports, *distilled], vocabulary)
    path = out / "tokenizer.json"
    write_text(path, learnt.to_str())
    print(f"{path}: {learnt.get_vocab_size():,} pieces from {len(reports):,} reports")
