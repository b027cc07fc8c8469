"""The house: who may import whom, and what must not be imported at the door."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import carina

HOME = Path(carina.__file__).parent
LAYERS = (
    ("errors", "study", "files"),
    ("imaging", "report", "encoders", "losses", "metrics", "training", "pages"),
    ("studies", "knowledge", "phantom", "zeroshot"),
    ("annotation", "datasets", "pretraining", "finetuning"),
    ("models", "recipes"),
    ("conversion", "evaluation", "runs", "viewer"),
    ("cli",),
)
LAYER = {part: number for number, parts in enumerate(LAYERS) for part in parts}
DOORS = {"__init__", "__main__"}  # what they import waits until it is asked for, see below
MODULES = sorted(path.relative_to(HOME) for path in HOME.rglob("*.py"))
HEAVY = {"torch", "transformers", "lightning", "polars", "numpy", "PIL", "pydicom"}


def part_of(module: Path) -> str:
    """The folder, or the file at the top, that a module belongs to."""
    return module.parts[0].removesuffix(".py")


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Every module that a module imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            name = str(node.module)
            yield from (f"{name}.{alias.name}" for alias in node.names)


def imported_parts(module: Path) -> set[str]:
    """The parts of carina that a module imports."""
    names = imported_names(ast.parse((HOME / module).read_text(encoding="utf-8")))
    return {name.split(".")[1] for name in names if name.startswith("carina.")}


def test_every_folder_has_a_layer() -> None:
    assert {part_of(module) for module in MODULES} - DOORS <= set(LAYER)


@pytest.mark.parametrize(
    "module", [module for module in MODULES if part_of(module) not in DOORS], ids=str
)
def test_a_module_imports_from_lower_layers_only(module: Path) -> None:
    own = part_of(module)
    wrong = {
        part
        for part in imported_parts(module) - {own}
        if LAYER.get(part, -1) >= LAYER[own] and LAYER[own] > 0
    }
    assert not wrong, f"{module} (layer {LAYER[own]}) imports from {sorted(wrong)}"


@pytest.mark.parametrize("part", LAYERS[0])
def test_the_lowest_layer_imports_no_folder(part: str) -> None:
    assert imported_parts(Path(f"{part}.py")) <= {"errors", "study"}


@pytest.mark.parametrize(
    "module", [module for module in MODULES if module.name == "__init__.py"], ids=str
)
def test_packages_import_nothing_at_the_door(module: Path) -> None:
    tree = ast.parse((HOME / module).read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name for node in top for name in imported_names(node)}
    heavy = {name for name in names if name.split(".")[0] in {"carina", *HEAVY}}
    assert heavy <= {"carina.errors.CarinaError"}
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("statement", ["import carina", "import carina.cli.main"])
def test_nothing_heavy_is_imported_at_the_door(statement: str) -> None:
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "carina" in loaded
    assert not HEAVY & set(loaded)


def test_help_of_every_command_needs_no_torch() -> None:
    from carina.cli.main import COMMANDS

    names = [name for name in COMMANDS if (HOME / "cli" / f"{name}.py").exists()]
    imports = "; ".join(f"import carina.cli.{name}" for name in names)
    code = f"import sys; {imports}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "transformers", "lightning", "polars"} & set(loaded)


@pytest.mark.parametrize(
    "module", [module for module in MODULES if part_of(module) != "cli"], ids=str
)
def test_only_commands_print(module: Path) -> None:
    tree = ast.parse((HOME / module).read_text(encoding="utf-8"))
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    assert not [name for name in calls if isinstance(name, ast.Name) and name.id == "print"]
