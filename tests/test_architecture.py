"""The house keeps its shape: imports point down, no circles, a light start, and every module says what it is."""

from __future__ import annotations

import ast
import graphlib
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import PixelseekError

ROOT = Path(__file__).parents[1]
LAYERS = ("pixelseek", "cli", "web", "engine", "indexer", "model")
HEAVY = {"alembic", "faiss", "flask", "sqlalchemy", "timm", "torch", "torchvision", "transformers"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))}


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs when the module is imported: neither function bodies nor `if TYPE_CHECKING`."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        for block in ("body", "orelse", "finalbody"):
            yield from statements_at_import(getattr(node, block, []))


def imported_at_import(path: Path) -> set[str]:
    """Our own modules that importing the module at `path` imports in turn."""
    names = set()
    for node in statements_at_import(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: import by full name, as everywhere else"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= submodules & MODULES.keys() or {str(node.module)}
    return names & MODULES.keys()


def test_imports_point_down_only() -> None:
    lint_imports = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert lint_imports, "import-linter is not installed: make test"
    result = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = graphlib.TopologicalSorter({name: imported_at_import(path) for name, path in MODULES.items()})
    try:
        graph.prepare()
    except graphlib.CycleError as error:
        pytest.fail("circular import: " + " <- ".join(error.args[1]))


def test_the_command_line_starts_without_anything_heavy() -> None:
    script = f"import sys, cli.main; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [], "imported at start-up: " + result.stdout


def test_every_exception_of_ours_is_a_pixelseek_error() -> None:
    for name, path in MODULES.items():
        if "\nclass " not in path.read_text(encoding="utf-8"):
            continue  # a migration runs under Alembic alone, and defines none
        kinds = [kind for kind in vars(importlib.import_module(name)).values() if isinstance(kind, type)]
        exceptions = [kind for kind in kinds if kind.__module__ == name and issubclass(kind, BaseException)]
        assert [kind for kind in exceptions if not issubclass(kind, PixelseekError)] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name for name, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
