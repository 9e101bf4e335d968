"""The drawing of the house, executable: who may import whom, and what starting up may cost."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("compiler", "runtime", "cli", "schemas")

# Floors of each room, from the ground up. A module may import modules of lower floors, and of its own floor only when
# they stand in one subpackage. A name stands for the module or for all of the subpackage.
FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "compiler": (
        ("source", "suggest", "duration"),
        ("diagnostics",),
    ),
}

# What the path of `attractor compile` may never load: each costs more than the whole parse of a pipeline.
HEAVY = ("requests", "rich", "pydot", "jsonschema", "jinja2", "asyncio", "logging", "importlib.resources", "sseclient")


def _modules(room: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        name = path.relative_to(ROOT / room).with_suffix("").as_posix().replace("/", ".")
        yield name.removesuffix(".__init__").replace("__init__", ""), ast.parse(path.read_text("utf-8"), str(path))


def _imports(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, str, int]]:
    """Yield every import: the statement, the module it names, and how many dots it climbs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name, 0
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or "", node.level


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_itself_only_relatively_and_no_other_room(room: str) -> None:
    allowed = {"cli": {"attractor.compiler", "attractor.runtime", "attractor.schemas"}}.get(room, set())
    wrong = [
        f"{room}/{name}:{node.lineno} imports {module}"
        for name, tree in _modules(room)
        for node, module, level in _imports(tree)
        if level == 0
        and (module.split(".")[0] in ROOMS or module.split(".")[0] == "attractor")
        and not any(module == other or module.startswith(other + ".") for other in allowed)
    ]

    assert [] == wrong


@pytest.mark.parametrize("room", ROOMS)
def test_no_import_climbs_out_of_its_room(room: str) -> None:
    wrong = [
        f"{room}/{name}:{node.lineno}"
        for name, tree in _modules(room)
        for node, _, level in _imports(tree)
        if level
        > len(name.split(".")) + ((ROOT / room / name.replace(".", "/") / "__init__.py").exists() and bool(name))
    ]

    assert [] == wrong


def test_compile_check_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "g.dot").write_text("digraph g { s [shape=Mdiamond] e [shape=Msquare] s -> e }\n")
    code = (
        "import sys; from attractor.cli.main import main\n"
        f"main(['compile', '--check', {str(tmp_path / 'g.dot')!r}])\n"
        f"print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == result.stdout.strip()


def test_schemas_hold_no_code() -> None:
    bodies = {path.name: ast.parse(path.read_text("utf-8")).body for path in (ROOT / "schemas").glob("*.py")}

    assert {"__init__.py"} == set(bodies)
    assert 1 == len(bodies["__init__.py"])  # the docstring
