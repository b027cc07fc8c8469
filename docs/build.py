"""Builds docs/reference.md from the code: commands, public face, and every module's names.

    python docs/build.py

The source is read, not imported, except for the commands, which import nothing heavy.
"""

import ast
import importlib
import importlib.util
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.main import get_command

from carina.cli.main import COMMANDS
from carina.files import write_text

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "carina"
REFERENCE = Path(__file__).resolve().parent / "reference.md"

# Lower layers first, as the house is built; see index.md.
LAYERS = (
    ("Layer 0", ("errors", "study", "files")),
    (
        "Layer 1",
        ("imaging", "report", "encoders", "losses", "metrics", "training", "pages"),
    ),
    ("Layer 2", ("studies", "knowledge", "phantom", "zeroshot")),
    ("Layer 3", ("annotation", "datasets", "pretraining", "finetuning")),
    ("Layer 4", ("models", "recipes")),
    ("Layer 5", ("conversion", "evaluation", "runs", "viewer")),
)

OPENING = """# Reference

*Made by `python docs/build.py` from the code; edit the code, not this page.*

- [Commands](#commands)
- [The public face](#the-public-face)
- [Modules](#modules)
"""

Definition = ast.FunctionDef | ast.ClassDef


def reference() -> str:
    """The whole page."""
    return "\n".join([OPENING, commands(), public_face(), modules()])


def commands() -> str:
    """Every command with its arguments, options and examples."""
    parts = ["## Commands\n"]
    for name in COMMANDS:
        if importlib.util.find_spec(f"carina.cli.{name}") is not None:
            parts.append(command(name))
    return "\n".join(parts)


def command(name: str) -> str:
    """One command, as `--help` shows it."""
    module = importlib.import_module(f"carina.cli.{name}")
    app = typer.Typer(add_completion=False)
    app.command(name)(getattr(module, name))
    parsed = get_command(app)
    rows = [
        f"| {names_of(parameter)} | {cell(getattr(parameter, 'help', None) or '')} | "
        f"{default_of(parameter)} |"
        for parameter in parsed.params
        if parameter.name != "help"
    ]
    return "\n".join(
        [
            f"### `carina {name}`\n",
            f"{(parsed.help or '').strip()}\n",
            "| argument or option | meaning | default |",
            "|---|---|---|",
            *rows,
            "",
            "```",
            *module.EXAMPLES,
            "```\n",
        ]
    )


def names_of(parameter: typer.core.TyperArgument | typer.core.TyperOption) -> str:
    """How a parameter is written on the command line."""
    if parameter.param_type_name == "argument":
        name = (parameter.name or "").upper()
        several = "..." if parameter.nargs == -1 else ""
        return f"`{name}{several}`"
    return ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))


def default_of(parameter: typer.core.TyperArgument | typer.core.TyperOption) -> str:
    """The value that is taken where none is given."""
    if parameter.required:
        return "required"
    if parameter.default is None or parameter.default is False or parameter.default == ():
        return ""
    return f"`{parameter.default}`"


def cell(text: str) -> str:
    """Text that does not break a table."""
    return " ".join(text.split()).replace("|", "\\|")


def public_face() -> str:
    """The names that `import carina` gives, with all they say of themselves."""
    tree = parsed(SOURCE / "__init__.py")
    homes = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES"
    )
    parts = ["## The public face\n", fenced(f"import carina\n\n{example_of(tree)}")]
    for name, home in sorted(homes.items()):
        tree = parsed(ROOT / "src" / Path(*home.split(".")).with_suffix(".py"))
        node = next(one for one in definitions(tree) if one.name == name)
        parts.append(whole(node, f"carina.{name}"))
    return "\n".join(parts)


def example_of(tree: ast.Module) -> str:
    """The lines of the package's own example."""
    lines = (ast.get_docstring(tree) or "").splitlines()
    example = [line[4:] for line in lines if line.startswith("    ") and "import" not in line]
    return "\n".join(example)


def whole(node: Definition, name: str) -> str:
    """A function, or a class with its public methods, with full docstrings."""
    parts = [f"### `{name}`\n", fenced(signature(node)), docstring(node)]
    if isinstance(node, ast.ClassDef):
        for method in definitions(node):
            if method.name != "__post_init__" and ast.get_docstring(method):
                parts += [f"#### `{name}.{method.name}`\n", fenced(signature(method))]
                parts.append(docstring(method))
    return "\n".join(parts)


def modules() -> str:
    """Every public name of every module with the first line of its docstring."""
    parts = ["## Modules\n"]
    for layer, packages in LAYERS:
        parts.append(f"### {layer}\n")
        for package in packages:
            parts.extend(module(path) for path in python_files(SOURCE / package))
    return "\n".join(parts)


def python_files(package: Path) -> Iterator[Path]:
    """The modules of a package, or the module of that name."""
    single = package.with_suffix(".py")
    if single.is_file():
        yield single
    yield from (path for path in sorted(package.glob("**/*.py")) if path.stem != "__init__")


def module(path: Path) -> str:
    """One module: what it is for, then its names."""
    tree = parsed(path)
    dotted = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    names = [f"- `{signature(node, short=True)}`: {first_line(node)}" for node in definitions(tree)]
    return "\n".join([f"#### {dotted}\n", f"{first_line(tree)}\n", *names, ""])


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def definitions(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """The public functions and classes of a module, or methods of a class."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def signature(node: Definition, short: bool = False) -> str:
    """A name with its parameters; `short` leaves the types out."""
    if isinstance(node, ast.ClassDef):
        names = [ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)]
        fields = [ast.unparse(one) for one in node.body if isinstance(one, ast.AnnAssign)]
        if not fields or not is_dataclass(node):
            return f"class {node.name}"
        return f"class {node.name}({', '.join(names if short else fields)})"
    if short:
        return f"{node.name}({', '.join(parameter_names(node.args))})"
    result = ast.unparse(node.returns) if node.returns else "None"
    if any(ast.unparse(one) == "property" for one in node.decorator_list):
        return f"{node.name}: {result}"
    return f"{node.name}({ast.unparse(node.args).removeprefix('self, ')}) -> {result}"


def is_dataclass(node: ast.ClassDef) -> bool:
    """Whether a class is made from its annotated fields."""
    return any("dataclass" in ast.unparse(one) for one in node.decorator_list)


def parameter_names(arguments: ast.arguments) -> list[str]:
    """Names alone, `self` left out, with a star before those that go by name only."""
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args) if one.arg != "self"]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    if arguments.kwonlyargs:
        names += [] if arguments.vararg else ["*"]
        names += [one.arg for one in arguments.kwonlyargs]
    return names


def first_line(node: ast.Module | Definition) -> str:
    """The first line of a docstring."""
    return (ast.get_docstring(node) or "").partition("\n")[0]


def docstring(node: Definition) -> str:
    """A docstring as Markdown: its Args, Returns and Raises become lists."""
    text = ast.get_docstring(node) or ""
    lines = []
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Attributes|Returns|Raises|Yields|Note):", line):
            lines += [f"**{line[:-1]}**", ""]
        elif match := re.fullmatch(r"    (\w+): (.*)", line):
            lines.append(f"- `{match[1]}`: {match[2]}")
        else:
            lines.append(line.strip())
    return "\n".join(lines) + "\n"


def fenced(text: str) -> str:
    """Python code, wrapped to the page."""
    wrapped = "\n".join(
        textwrap.fill(line, 96, subsequent_indent="    ", break_long_words=False)
        for line in text.splitlines()
    )
    return f"```python\n{wrapped}\n```\n"


if __name__ == "__main__":
    write_text(REFERENCE, reference())
