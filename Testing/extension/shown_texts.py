"""Which string literals of a script end in a widget or a dialog without passing ``_()``: found by its syntax.

A value is followed back through local names, conditional expressions, ``+``, f-strings, ``format`` and
``join``, what functions of the same script return, and what they are called with.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TRANSLATED = {"_", "translate"}
# Properties of widgets and of the module's parent; a suffix is a unit.
PROPERTIES = {
    "acknowledgementText",
    "helpText",
    "informativeText",
    "placeholderText",
    "plainText",
    "statusTip",
    "text",
    "title",
    "toolTip",
    "whatsThis",
    "windowTitle",
}
# Functions and which of their arguments is shown.
CALLS = {
    "QAction": 0,
    "QCheckBox": 0,
    "QLabel": 0,
    "QPushButton": 0,
    "addAction": 0,
    "addItem": 0,
    "addItems": 0,
    "addTab": 1,
    "appendPlainText": 0,
    "confirmOkCancelDisplay": 0,
    "confirmRetryCloseDisplay": 0,
    "confirmYesNoDisplay": 0,
    "delayDisplay": 0,
    "errorDisplay": 0,
    "getExistingDirectory": 1,
    "getOpenFileName": 1,
    "infoDisplay": 0,
    "insertItem": 1,
    "setHtml": 0,
    "setInformativeText": 0,
    "setItemText": 1,
    "setPlaceholderText": 0,
    "setPlainText": 0,
    "setTabText": 1,
    "setText": 0,
    "setTitle": 0,
    "setToolTip": 0,
    "setWindowTitle": 0,
    "showMessage": 0,
    "showStatusMessage": 0,
    "warningDisplay": 0,
}
TITLES = {"title", "windowTitle"}
# Words of no language.
NAMES = ("SHA-256",)
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def reads_as_text(value: str) -> bool:
    """Whether it has a word, beside tags, fields to fill in and entities."""
    nothing = "|".join([r"<[^>]*>", r"\{[^}]*\}", r"&\w+;", *map(re.escape, NAMES)])
    return re.search(r"[A-Za-z]{2,}", re.sub(nothing, " ", value)) is not None


def untranslated_shown(path: Path) -> list[str]:
    """``FILE:LINE: 'text'`` of each."""
    script = _Script(ast.parse(path.read_text()))
    found = {(text.lineno, text.value) for text in script.shown() if reads_as_text(text.value)}
    return [f"{path.name}:{line}: {value!r}" for line, value in sorted(found)]


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What is assigned to what, tuples taken apart."""
    both = (target, value)
    if all(isinstance(side, ast.Tuple | ast.List) for side in both) and len(target.elts) == len(value.elts):
        for inner, outer in zip(target.elts, value.elts, strict=True):
            yield from _pairs(inner, outer)
    else:
        yield target, value


class _Script:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._home: dict[ast.AST, ast.AST] = {}
        self._functions: dict[str, list[Function]] = {}
        self._settle(tree, tree)
        self._calls = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._calls.setdefault(_name(node.func), []).append(node)

    def _settle(self, node: ast.AST, home: ast.AST) -> None:
        """Know of every node the function that it is in."""
        for child in ast.iter_child_nodes(node):
            self._home[child] = home
            if isinstance(child, ast.FunctionDef):
                self._functions.setdefault(child.name, []).append(child)
            self._settle(child, child if isinstance(child, Function) else home)

    def shown(self) -> Iterator[ast.Constant]:
        for node in ast.walk(self._tree):
            for expression in self._sinks(node):
                yield from self._texts(expression, frozenset())

    def _sinks(self, node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for inner, value in _pairs(target, node.value):
                    if isinstance(inner, ast.Attribute) and inner.attr in PROPERTIES:
                        yield value
        elif isinstance(node, ast.AugAssign) and getattr(node.target, "attr", None) in PROPERTIES:
            yield node.value
        elif isinstance(node, ast.Call) and _name(node.func) in CALLS:
            place = CALLS[_name(node.func)]
            yield from node.args[place : place + 1]
            yield from (word.value for word in node.keywords if word.arg in TITLES | {"text"})

    def _texts(self, node: ast.expr, seen: frozenset[ast.AST]) -> Iterator[ast.Constant]:
        """Literals that ``node`` may be, or be put together from."""
        if node in seen:
            return
        seen |= {node}
        parts: list[ast.expr] = []
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node
        elif isinstance(node, ast.JoinedStr):
            parts = node.values
        elif isinstance(node, ast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, ast.IfExp):
            parts = [node.body, node.orelse]
        elif isinstance(node, ast.BoolOp):
            parts = node.values
        elif isinstance(node, ast.Tuple | ast.List):
            parts = node.elts
        elif isinstance(node, ast.GeneratorExp | ast.ListComp):
            parts = [node.elt]
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
            parts = node.value.values
        elif isinstance(node, ast.Subscript):
            parts = [value for value in self._values(node.value, node) if isinstance(value, ast.Dict)]
            parts = [inner for value in parts for inner in value.values]
        elif isinstance(node, ast.Name):
            parts = list(self._values(node, node))
        elif isinstance(node, ast.Call) and _name(node.func) not in TRANSLATED:
            parts = list(self._answers(node))
        for part in parts:
            yield from self._texts(part, seen)

    def _answers(self, call: ast.Call) -> Iterator[ast.expr]:
        name = _name(call.func)
        if name in ("format", "join", "strip", "rstrip") and isinstance(call.func, ast.Attribute):
            yield call.func.value
            if name == "join":
                yield from call.args
        for function in self._functions.get(name, []):
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None and self._home[node] is function:
                    yield node.value

    def _values(self, name: ast.expr, where: ast.AST) -> Iterator[ast.expr]:
        """What is put into a local name, and what its function is called with if it is a parameter."""
        home = self._home.get(where, self._tree)
        if not isinstance(name, ast.Name):
            return
        for node in ast.walk(home):
            assigned: list[tuple[ast.expr, ast.expr]] = []
            if isinstance(node, ast.Assign):
                assigned = [pair for target in node.targets for pair in _pairs(target, node.value)]
            elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                assigned = [(node.target, node.value)]
            elif isinstance(node, ast.For | ast.comprehension) and isinstance(
                node.iter, ast.Tuple | ast.List
            ):
                assigned = [pair for one in node.iter.elts for pair in _pairs(node.target, one)]
            elif isinstance(node, ast.Call) and _name(node.func) == "append" and node.args:
                assigned = [(node.func.value, node.args[0])]
            yield from (value for target, value in assigned if _name(target) == name.id)
        if isinstance(home, ast.FunctionDef):
            yield from self._given(home, name.id)

    def _given(self, function: ast.FunctionDef, parameter: str) -> Iterator[ast.expr]:
        names = [argument.arg for argument in function.args.args]
        if parameter not in names:
            return
        place = names.index(parameter) - (names[0] == "self")
        for call in self._calls.get(function.name, []):
            yield from call.args[place : place + 1]
            yield from (word.value for word in call.keywords if word.arg == parameter)
