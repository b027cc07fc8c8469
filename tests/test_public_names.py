"""The public face: fixed, so that people can rely on it, and documented where it stands."""

import importlib
import inspect

import pytest

import carina
from carina.cli.main import COMMANDS

PUBLIC = ("load", "Query", "Answer", "LoadedModel", "CarinaError")
SIGNATURES = {
    "carina.zeroshot.protocol": ("Query", "EncodedQueries", "Answers", "ZeroShotModel"),
    "carina.training.objective": ("Objective", "Term", "Place", "Batch", "Batches"),
    "carina.pretraining.stage": ("Stage", "StageInputs", "PreparedStage"),
    "carina.recipes.recipe": ("Recipe",),
    "carina.imaging.preprocessing": ("Preprocessing", "Squash", "CentreCrop", "Letterbox"),
    "carina.study": ("Study", "Radiograph", "Report", "Finding", "Box", "Mask", "Severity"),
    "carina.studies.manifest": ("Manifest", "write_manifest"),
    "carina.studies.checks": ("check",),
    "carina.datasets.registry": ("DATASETS",),
    "carina.datasets.declaration": ("Dataset", "Release"),
}
ANSWER = ("scores", "grids", "heatmap", "save")
EXIT_CODES = {"QueryError": 2, "ConfigError": 2, "RadiographError": 1, "ManifestError": 1}
DESIGNED = (
    *("demo", "phantom", "index", "check", "annotate", "pack", "knowledge", "tokenizer"),
    *("pretrain", "ask", "evaluate", "compare"),
)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    assert name in carina.__all__
    assert inspect.getdoc(getattr(carina, name))


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in SIGNATURES.items() for name in names]
)
def test_a_signature_of_the_house_is_there_and_documented(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    if inspect.isclass(found) or inspect.isfunction(found):
        documented = inspect.getdoc(found)
        assert documented
        assert not documented.startswith(f"{name}(")  # what dataclasses write by themselves


@pytest.mark.parametrize("name", ANSWER)
def test_an_answer_offers_what_the_design_promises(name: str) -> None:
    from carina.zeroshot.answer import Answer

    fields = getattr(Answer, "__dataclass_fields__", {})
    assert name in fields or inspect.getdoc(getattr(Answer, name))


@pytest.mark.parametrize("name", DESIGNED)
def test_a_command_is_listed_documented_and_has_examples(name: str) -> None:
    assert name in COMMANDS
    module = importlib.import_module(f"carina.cli.{name}")
    assert inspect.getdoc(getattr(module, name))
    assert module.EXAMPLES
    assert all(example.startswith("carina ") for example in module.EXAMPLES)


def test_errors_are_on_one_page_and_carry_exit_codes() -> None:
    from carina import errors

    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert all(issubclass(error, errors.CarinaError) and error.__doc__ for error in classes)
    assert {error.exit_code for error in classes} == {1, 2}
    for name, code in EXIT_CODES.items():
        assert getattr(errors, name).exit_code == code
