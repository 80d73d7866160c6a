"""Expressions as text and as trees: what may be written, and what each part of it is.

An expression is written as Python writes one. Python's own parser reads it; every part is then
looked up in a list of what is allowed, so nothing of it is ever run as Python.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from fraudkit.errors import FeatureError
from fraudkit.features.field_kinds import field_kind, nearest_path
from fraudkit.features.spec_checks import FORBIDDEN_INPUTS

__all__ = [
    "DEPTH_MAX",
    "ITEMS_MAX",
    "LENGTH_MAX",
    "NUMBER_MAX",
    "TEXT_MAX",
    "Kind",
    "Node",
    "expression_tree",
    "fields_of",
]

LENGTH_MAX: Final = 1_000
"""Characters of an expression."""

DEPTH_MAX: Final = 50
"""How deep its parts may be nested."""

ITEMS_MAX: Final = 100
"""Items of a list."""

TEXT_MAX: Final = 255
"""Characters of a text in it."""

NUMBER_MAX: Final = 2**53
"""The size of a number in it; up to here every whole number is a float of its own."""

Kind = Literal["number", "truth", "text", "any"]
"""What a part of an expression gives; ``"any"`` becomes what it is used as."""


class Node(Struct, frozen=True):
    """A part of an expression.

    Attributes
    ----------
    operation : str
        ``"literal"``, ``"field"``, or what is done with the operands.
    kind : str
        What it gives.
    operands : tuple of Node
        What it is done with.
    value : float, str or tuple
        The literal, the field's path, the items that ``"in"`` looks among, or what
        ``"compare"`` asks between each two operands.
    """

    operation: str
    kind: Kind
    operands: tuple[Node, ...] = ()
    value: float | str | tuple[float | str, ...] = ""


_ARITHMETIC: Final[dict[type, str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
_COMPARISONS: Final[dict[type, str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_AGREEMENTS: Final = {"==", "!="}
_FUNCTIONS: Final[dict[str, tuple[int, int]]] = {
    "abs": (1, 1),
    "default": (2, 2),
    "is_missing": (1, 1),
    "max": (2, ITEMS_MAX),
    "min": (2, ITEMS_MAX),
}
"""The functions, and how many values each takes at least and at most."""

_ALLOWED: Final = (
    "an expression is made of fields, numbers, texts, + - * / // %, comparisons, in, and, or, "
    f"not, if else, and the functions {', '.join(_FUNCTIONS)}"
)
_KIND_NAMES: Final = {"number": "a number", "truth": "a truth value", "text": "a text"}


def expression_tree(text: str) -> Node:
    """Return the tree of an expression; its root is a number or a truth value.

    Raises
    ------
    FeatureError
        If it is not written as an expression, is too large, or reads what is not there. The
        message shows the place.

    Examples
    --------
    >>> expression_tree("order.item_count > 3").kind
    'truth'
    """
    if len(text) > LENGTH_MAX:
        raise FeatureError(
            f"an expression must have at most {LENGTH_MAX} characters, got {len(text)}; what "
            "needs more is better written as a class, see `fraudkit.features.own`"
        )
    if not text.strip():
        raise FeatureError("an expression must not be empty, got no text")
    return _Reader(text).root()


def fields_of(node: Node) -> tuple[str, ...]:
    """Return the paths that a tree reads, each once, in the order in which they stand.

    Examples
    --------
    >>> fields_of(expression_tree("order.item_count / max(order.item_count, is_test)"))
    ('order.item_count', 'is_test')
    """
    if node.operation == "field":
        return (str(node.value),)
    return tuple(dict.fromkeys(path for inner in node.operands for path in fields_of(inner)))


class _Reader:
    """Turns the text of one expression into a tree.

    Brackets around the text let it go over several lines; so the first column is the second.
    """

    def __init__(self, text: str) -> None:
        self._text = f"({text}\n)"
        self._lines = f"({text}".replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._depth = 0

    def root(self) -> Node:
        tree = self._parsed()
        node = self._node(tree)
        if node.kind == "text":
            raise self._error(tree, "an expression must give a number or a truth value, is a text")
        if node.kind == "any":
            node = self._as("number", node, tree)
        if not fields_of(node):
            raise self._error(tree, "an expression must read a field")
        return node

    def _parsed(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tree = ast.parse(self._text, mode="eval").body
        except SyntaxError as error:
            place = error.lineno or 1, (error.offset or 1) - 1
            raise self._error_at(*place, f"not an expression: {error.msg}") from error
        except (ValueError, MemoryError, RecursionError) as error:
            raise FeatureError(f"not an expression: {error}") from error
        if (tree.lineno, tree.col_offset) == (1, 0):
            raise self._error(tree, "not an expression: a bracket is closed that was not opened")
        return tree

    def _error(self, tree: ast.expr, what: str) -> FeatureError:
        """Return an error that shows where a part begins; Python counts in bytes of UTF-8."""
        before = self._lines[tree.lineno - 1].encode()[: tree.col_offset]
        return self._error_at(tree.lineno, len(before.decode()), what)

    def _error_at(self, line_number: int, column: int, what: str) -> FeatureError:
        """Return an error that shows a place; what lies behind the text is at its end."""
        line = self._lines[min(line_number, len(self._lines)) - 1]
        column = len(line) if line_number > len(self._lines) else column
        if line is self._lines[0]:
            line, column = line[1:], max(column - 1, 0)
        where = f"column {column + 1}" if len(self._lines) == 1 else f"line {line_number}"
        return FeatureError(f"{what}; at {where}:\n  {line}\n  {' ' * column}^")

    def _node(self, tree: ast.expr) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._error(tree, f"an expression must be at most {DEPTH_MAX} parts deep")
        match tree:
            case ast.Constant():
                node = self._literal(tree)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                node = self._field(tree)
            case ast.UnaryOp():
                node = self._unary(tree)
            case ast.BinOp():
                node = self._binary(tree)
            case ast.BoolOp():
                node = self._connected(tree)
            case ast.Compare():
                node = self._compared(tree)
            case ast.IfExp():
                node = self._chosen(tree)
            case ast.Call():
                node = self._called(tree)
            case _:
                raise self._error(tree, _ALLOWED)
        self._depth -= 1
        return node

    def _as(self, kind: Kind, node: Node, tree: ast.expr) -> Node:
        """Return a node as another kind; a truth value is a number too, 1 or 0."""
        if node.kind == "any":
            return _used_as(kind, node)
        if node.kind == kind or (node.kind, kind) == ("truth", "number"):
            return node
        hint = "; write what it is compared with" if kind == "truth" else ""
        raise self._error(
            tree,
            f"{ast.unparse(tree)} must be {_KIND_NAMES[kind]}, is {_KIND_NAMES[node.kind]}{hint}",
        )

    def _all_as(self, kind: Kind, trees: Iterable[ast.expr]) -> tuple[Node, ...]:
        return tuple(self._as(kind, self._node(tree), tree) for tree in trees)

    def _alike(self, trees: Sequence[ast.expr]) -> tuple[Kind, tuple[Node, ...]]:
        """Return nodes as one kind: that of those whose kind is known."""
        nodes = [self._node(tree) for tree in trees]
        kinds = {node.kind for node in nodes} - {"any"}
        kind: Kind = "number"
        if not kinds:
            return "any", tuple(nodes)
        if kinds in ({"text"}, {"truth"}):
            (kind,) = kinds
        pairs = zip(nodes, trees, strict=True)
        return kind, tuple(self._as(kind, node, tree) for node, tree in pairs)

    def _literal(self, tree: ast.Constant) -> Node:
        match tree.value:
            case bool(value):
                return Node("literal", "truth", value=float(value))
            case int(value) | float(value) if abs(value) <= NUMBER_MAX:
                return Node("literal", "number", value=float(value))
            case int() | float():
                raise self._error(tree, f"a number must lie between -{NUMBER_MAX} and {NUMBER_MAX}")
            case str(value) if len(value) <= TEXT_MAX:
                return Node("literal", "text", value=value)
            case str():
                raise self._error(tree, f"a text must have at most {TEXT_MAX} characters")
            case None:
                raise self._error(tree, "None stands for no value; ask is_missing(field)")
            case _:
                raise self._error(tree, "a literal must be a number, a text, True or False")

    def _field(self, tree: ast.expr) -> Node:
        path = _path_of(tree)
        if path is None:
            raise self._error(tree, "what has a part must be a field, as in order.amount_minor")
        if path.startswith(FORBIDDEN_INPUTS):
            raise self._error(
                tree,
                f"must not read {path!r}: demographics order payment methods and never reach the "
                "fraud score",
            )
        kind = field_kind(path)
        if kind is None:
            raise self._error(tree, f"the vocabulary has no field {path!r}{nearest_path(path)}")
        return Node("field", kind, value=path)

    def _unary(self, tree: ast.UnaryOp) -> Node:
        if isinstance(tree.op, ast.Invert):
            raise self._error(tree, "~ is not known; write `not`")
        if isinstance(tree.op, ast.Not):
            return Node("not", "truth", self._all_as("truth", [tree.operand]))
        (operand,) = self._all_as("number", [tree.operand])
        return operand if isinstance(tree.op, ast.UAdd) else _negative(operand)

    def _binary(self, tree: ast.BinOp) -> Node:
        operation = _ARITHMETIC.get(type(tree.op))
        if operation is None:
            raise self._error(tree, f"operations are {' '.join(_ARITHMETIC.values())}")
        return Node(operation, "number", self._all_as("number", [tree.left, tree.right]))

    def _connected(self, tree: ast.BoolOp) -> Node:
        operation = "and" if isinstance(tree.op, ast.And) else "or"
        nodes = [self._node(value) for value in tree.values]
        wrong = [
            value
            for node, value in zip(nodes, tree.values, strict=True)
            if node.kind in {"number", "text"}
        ]
        if wrong and operation == "or":
            raise self._error(
                wrong[0],
                "`or` takes truth values; for a value in place of an unknown one write "
                "default(field, value)",
            )
        pairs = zip(nodes, tree.values, strict=True)
        return Node(operation, "truth", tuple(self._as("truth", *pair) for pair in pairs))

    def _compared(self, tree: ast.Compare) -> Node:
        kinds = {type(op) for op in tree.ops}
        if not kinds.isdisjoint({ast.Is, ast.IsNot}):
            raise self._error(tree, "`is` is not known; write == or is_missing(field)")
        if not kinds <= _COMPARISONS.keys():
            return self._among(tree)
        trees = [tree.left, *tree.comparators]
        asked = tuple(_COMPARISONS[type(op)] for op in tree.ops)
        if not _AGREEMENTS.issuperset(asked):
            return Node("compare", "truth", self._all_as("number", trees), asked)
        kind, nodes = self._alike(trees)
        if kind == "any":
            nodes = tuple(_used_as("text", node) for node in nodes)
        return Node("compare", "truth", nodes, asked)

    def _among(self, tree: ast.Compare) -> Node:
        """Return the node of ``x in [...]`` or ``x not in [...]``."""
        listed = tree.comparators[0]
        if len(tree.ops) > 1 or not isinstance(listed, ast.List | ast.Tuple | ast.Set):
            raise self._error(listed, "`in` takes a list of literals, as in x in [1, 2]")
        if not 1 <= len(listed.elts) <= ITEMS_MAX:
            raise self._error(listed, f"a list must have 1 to {ITEMS_MAX} items")
        kind, items = self._alike(listed.elts)
        for item, held in zip(items, listed.elts, strict=True):
            if item.operation != "literal":
                raise self._error(held, "a list must hold literals only")
        asked = self._as("text" if kind == "text" else "number", self._node(tree.left), tree.left)
        values = tuple(item.value for item in items if isinstance(item.value, float | str))
        found = Node("in", "truth", (asked,), values)
        return found if isinstance(tree.ops[0], ast.In) else Node("not", "truth", (found,))

    def _chosen(self, tree: ast.IfExp) -> Node:
        (condition,) = self._all_as("truth", [tree.test])
        kind, branches = self._alike([tree.body, tree.orelse])
        return Node("if", kind, (condition, *branches))

    def _called(self, tree: ast.Call) -> Node:
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        if name not in _FUNCTIONS or tree.keywords:
            raise self._error(tree, f"functions are {', '.join(_FUNCTIONS)}, with values alone")
        least, most = _FUNCTIONS[name]
        if not least <= len(tree.args) <= most:
            count = f"{least}" if least == most else f"{least} to {most}"
            raise self._error(tree, f"{name} takes {count} values, got {len(tree.args)}")
        if name == "default":
            return Node(name, *self._alike(tree.args))
        if name == "is_missing":
            node = self._node(tree.args[0])
            return Node(name, "truth", (_used_as("text", node) if node.kind == "any" else node,))
        return Node(name, "number", self._all_as("number", tree.args))


def _negative(node: Node) -> Node:
    if node.operation == "literal" and isinstance(node.value, float):
        return Node("literal", "number", value=-node.value)
    return Node("negative", "number", (node,))


def _used_as(kind: Kind, node: Node) -> Node:
    """Return what a node of any kind is where it is used as a number, truth value or text."""
    if node.operation == "field":
        read: Kind = "text" if kind == "text" else "number"
        field = Node("field", read, value=node.value)
        return Node("is_true", "truth", (field,)) if kind == "truth" else field
    used = (_used_as(kind, inner) if inner.kind == "any" else inner for inner in node.operands)
    return Node(node.operation, kind, tuple(used), node.value)


def _path_of(tree: ast.expr) -> str | None:
    """Return the dotted path of ``a.b`` or ``a["b"]``, or ``None`` where it is none."""
    match tree:
        case ast.Name(id=name):
            return name
        case (
            ast.Attribute(value=inner, attr=part)
            | ast.Subscript(value=inner, slice=ast.Constant(value=str(part)))
        ):
            before = _path_of(inner)
            return None if before is None else f"{before}.{part}"
        case _:
            return None
