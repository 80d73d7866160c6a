"""Every public module says in ``__all__`` what it offers, and offers nothing else.

Ruff (RUF022) holds that the list is sorted.
"""

import ast
from pathlib import Path

import pytest

from tests.architecture.files import ROOT, source_files

PUBLIC_MODULES = [
    path
    for path in source_files()
    if path.relative_to(ROOT).parts[0] in {"fraudkit", "service"}
    and (path.name == "__init__.py" or not path.name.startswith("_"))
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", PUBLIC_MODULES, ids=name_of)
def test_all_names_what_the_module_offers(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    listed, offered = listed_names(tree), offered_names(tree)
    if module.name == "__init__.py":
        listed = listed or []
        assert sorted(offered - set(listed)) == []
    else:
        assert listed is not None, "__all__ is missing"
        assert sorted(listed) == sorted(offered)
    assert len(listed) == len(set(listed))


def listed_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and target_names(node) == ["__all__"]:
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def offered_names(tree: ast.Module) -> set[str]:
    """Return the public names that the module defines: not those it imports, nor type variables."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and not is_type_variable(node.value):
            names.update(target_names(node))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def is_type_variable(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in {"ParamSpec", "TypeVar"}
    )


def target_names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]
