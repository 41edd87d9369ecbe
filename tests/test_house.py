"""The house keeps its order: front doors, no circles, one name for one thing, rooms and modules of a readable size."""

import ast
import statistics
from collections import Counter, defaultdict
from itertools import chain

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from support.modules import PACKAGE, Module, exported, functions, modules

MODULES = modules()
PACKAGES = {name for name, module in MODULES.items() if module.is_package}
ROOMS = [module for module in MODULES.values() if module.path.name not in ("__init__.py", "__main__.py", "main.py")]


def _imported(module: Module) -> list[str]:
    """Modules that a module imports; a package for names of its front door."""
    return [f"{home}.{name}" if f"{home}.{name}" in MODULES else home for home, name in module.imports()]


def test_nobody_goes_past_a_front_door():
    """Outside a package only what its ``__init__`` exports is imported; inside it, its modules."""
    past = []
    for module in MODULES.values():
        for home, name in module.imports():
            package = home if home in PACKAGES else home.rpartition(".")[0]
            inside = package == PACKAGE or f"{module.package}.".startswith(f"{package}.")
            listed = home in PACKAGES and name in exported(MODULES[home])
            if not inside and not listed and f"{home}.{name}" not in PACKAGES:
                past.append(f"{module.name}: from {home} import {name}")
    assert not past


def test_front_doors_export_what_they_list():
    """Every package lists its names, and no name of a front door hides a module of the same package."""
    for name in PACKAGES - {PACKAGE}:
        listed = exported(MODULES[name])
        beside = {other.rpartition(".")[2] for other in MODULES if other.rpartition(".")[0] == name}
        assert not listed & (beside - {"main"}), name
        imported = {alias for _, alias in MODULES[name].imports()} | set(MODULES[name].public_names())
        assert listed <= imported, name


def test_no_imports_in_a_circle():
    """Importing a name of a front door means its module, for this purpose; imports inside functions count too."""
    number = {name: index for index, name in enumerate(MODULES)}
    homes = {
        (package, name): home for package in PACKAGES for home, name in MODULES[package].imports() if home in MODULES
    }
    links = set()
    for module in MODULES.values():
        for home, name in module.imports():
            while (home, name) in homes and homes[home, name] != home:
                home = homes[home, name]
            target = f"{home}.{name}" if f"{home}.{name}" in MODULES else home
            if not module.is_package and target not in PACKAGES:
                links.add((number[module.name], number[target]))
    rows, columns = zip(*links, strict=True)
    graph = coo_array(([1] * len(rows), (rows, columns)), shape=(len(number), len(number)))
    count, label = connected_components(graph, directed=True, connection="strong")
    members = defaultdict(list)
    for name, index in number.items():
        members[label[index]].append(name)
    assert not [group for group in members.values() if len(group) > 1]
    assert count == len(number)


def test_every_module_has_a_name_of_its_own():
    count = Counter(module.path.stem for module in ROOMS)
    assert not [name for name, times in count.items() if times > 1]


def test_every_public_name_is_defined_once():
    owners = defaultdict(list)
    for module in MODULES.values():
        for name in module.public_names():
            if not name.startswith("_") and name != "log":
                owners[name].append(module.name)
    assert not {name: homes for name, homes in owners.items() if len(homes) > 1}


def test_rooms_and_modules_are_small():
    """At most 15 modules side by side, none above 350 lines, half of them at most 130."""
    beside = Counter(module.path.parent for module in ROOMS)
    assert max(beside.values()) <= 15, beside.most_common(3)
    lines = {module.name: module.lines for module in ROOMS}
    assert max(lines.values()) <= 350, max(lines, key=lambda name: lines[name])
    assert statistics.median(lines.values()) <= 130


def test_arguments_are_described():
    """Of public functions with two arguments or more, 95 % have an ``Args`` section."""
    lacking, count = [], 0
    for module in MODULES.values():
        for function in functions(module):
            arguments = chain(function.args.posonlyargs, function.args.args, function.args.kwonlyargs)
            if len([one for one in arguments if one.arg not in ("self", "cls")]) >= 2:
                count += 1
                if "Args:" not in (ast.get_docstring(function) or ""):
                    lacking.append(f"{module.name}.{function.name}")
    assert len(lacking) <= 0.05 * count, lacking


def test_docstrings_say_who_does_what():
    """At most 1 % begin with a question word; 20 names and more show how they are called."""
    texts = {}
    for module in MODULES.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
                texts[module.name, getattr(node, "name", ""), getattr(node, "lineno", 0)] = ast.get_docstring(node)
    asking = [name for name, text in texts.items() if text.split()[0] in ("What", "Whether", "Where", "How", "Of")]
    assert len(asking) <= 0.01 * len(texts), asking
    assert sum(">>>" in text for text in texts.values()) >= 20


def test_functions_have_paragraphs():
    """Of the lines within functions, 9 % are blank: one thought, one paragraph."""
    lines = blank = 0
    for module in MODULES.values():
        rows = module.path.read_text().splitlines()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
                body = rows[first : node.end_lineno]
                lines += len(body)
                blank += sum(not row.strip() for row in body)
    assert blank >= 0.09 * lines
