"""Modules of the package as syntax trees: who imports what, which names are public, how long things are."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from support.places import ROOT

PACKAGE = "gensim_graph"


@dataclass(frozen=True)
class Module:
    """One file of the package.

    Attributes:
        name: full dotted name; that of the package for an ``__init__.py``.
        path: the file.
    """

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Syntax tree."""
        return ast.parse(self.path.read_text())

    @property
    def is_package(self) -> bool:
        """Whether it is the ``__init__.py`` of a package."""
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """Name of the package it lies in; its own name for an ``__init__.py``."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def lines(self) -> int:
        """Number of lines."""
        return len(self.path.read_text().splitlines())

    def imports(self) -> Iterator[tuple[str, str]]:
        """Pairs (module, name) of every ``from gensim_graph... import name``, those inside functions included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                yield from ((str(node.module), alias.name) for alias in node.names)

    def public_names(self) -> Iterator[str]:
        """Functions, classes and constants that the module defines at its top level without an underscore."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                parts = (part for target in targets for part in getattr(target, "elts", [target]))
                yield from (part.id for part in parts if isinstance(part, ast.Name))


def modules() -> dict[str, Module]:
    """All modules of the package by name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = Module(name, path)
    return found


def exported(module: Module) -> set[str]:
    """``__all__`` of a package."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def functions(module: Module) -> Iterator[ast.FunctionDef]:
    """Public functions at the top level, and public methods of classes there."""
    for node in module.tree.body:
        parts = node.body if isinstance(node, ast.ClassDef) else [node]
        yield from (part for part in parts if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"))
