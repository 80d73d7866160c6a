"""Modules and functions stay small enough to be read at one sitting."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.files import ROOT, project_files

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

MODULES = [path for path in project_files() if path.suffix == ".py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_and_its_functions_are_small(module: Path) -> None:
    text = module.read_text("utf-8")
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    assert {
        name: lines for name, lines in functions(ast.parse(text)) if lines > FUNCTION_LINES_MAX
    } == {}


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each function with its number of lines, the docstring not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_a_long_function_is_found() -> None:
    text = "def long():\n    '''One.\n\n    Two.\n    '''\n" + "    x = 1\n" * 70
    assert list(functions(ast.parse(text))) == [("long", 71)]
