"""The model card: what a model is and what it was made from, for people."""

from carina.pretraining.stage import Stage, StageInputs
from carina.recipes.recipe import Recipe


def model_card(recipe: Recipe, stage: Stage, inputs: StageInputs, seconds: float) -> str:
    """Markdown with the facts of a trained stage. Names no study and no path."""
    manifest = inputs.manifest
    sources = ", ".join(sorted({study.source for study in manifest.studies}))
    licences = ", ".join(sorted({study.licence or "not stated" for study in manifest.studies}))
    synthetic = (
        "\nThe training studies are synthetic: this model has never seen a patient.\n"
        if {study.source for study in manifest.studies} == {"phantom"}
        else ""
    )
    return f"""# {recipe.name}: {stage.name}

{recipe.summary}
{synthetic}
**For research only. Not a medical device; not for use on patients.**

| | |
|---|---|
| trained on | {len(manifest.studies)} studies from {sources} |
| licences of the data | {licences} |
| digest of the data | `{manifest.digest[:16]}` |
| digest of the concept graph | `{inputs.graph.digest[:16]}` |
| seed | {inputs.seed} |
| training time | {seconds:.0f} s |
"""
