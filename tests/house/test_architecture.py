"""The drawing of the house, executable: who may import whom, and what starting up may cost."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("compiler", "runtime", "cli", "schemas")

# The floors of each room, from the ground up: a module imports from its own floor and from those below, never from
# above. A name stands for a module or for a whole subpackage. Each module has a place here, so that a new one is given
# one.
FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "compiler": (
        ("source", "diagnostics", "bounded", "suggest", "duration", "comma_list", "flow", "yaml_values", "yaml_text",
         "shell_words"),
        ("graph", "run_config", "plan", "unit", "reading", "providers", "dot.ast"),
        ("schema", "yaml_reader", "overrides", "old_keys", "secret_literals", "read_providers", "read_run_config",
         "scenario"),
        ("attributes", "condition", "stylesheet", "template", "dot", "graph_builder"),
        ("analysis", "cascade", "passes"),
        ("rules", "suppressions", "settings", "fixes", "reporters"),
        ("provenance", "lower", "lower_nodes", "lower_run", "emit", "load_plan", "locate", "explain", "diff", "draw"),
        ("compile",),
    ),
    "runtime": (
        ("outcome", "plan", "schema", "files", "failure", "environment", "events", "event_schema"),
        ("read_plan", "scripted", "loops", "journal", "state", "context", "world"),
        ("routing", "retry", "breakers", "status", "meter", "checkpoint", "lock", "run_dir", "session_log", "git",
         "questions", "people", "joins", "merging", "watchdog"),
        ("llm", "simulator"),
        ("agent", "cli_agents"),
        ("walk", "crew", "steps"),
        ("attempts", "branches", "fan_in", "children", "interpreter"),
        ("paths", "estimate", "preflight"),
        ("workspace", "reopening", "interrupted", "resume", "orphans", "shell", "real_world",
         "own_environment", "own_programs", "setup", "console", "live_console"),
        ("owner", "run_files", "story", "standing", "run_index", "audit", "report"),
        ("launch",),
    ),
}  # fmt: skip

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


def _dependencies(room: str) -> dict[str, set[str]]:
    """Return for each module of `room` the modules of the room that it imports."""
    modules = dict(_modules(room))
    found: dict[str, set[str]] = {}
    for name, tree in modules.items():
        inside = (ROOT / room / name.replace(".", "/") / "__init__.py").exists()
        package = name.split(".") if inside and name else name.split(".")[:-1]
        found[name] = set()
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.level == 0:
                continue
            assert node.level - 1 <= len(package), f"{room}/{name}:{node.lineno} climbs out of the room"
            base = ".".join(package[: len(package) - (node.level - 1)] + ([node.module] if node.module else []))
            for alias in node.names:
                full = f"{base}.{alias.name}".strip(".")
                found[name].add(full if full in modules else base)
        found[name] -= {name}
    return found


def _floor(room: str, module: str) -> int | None:
    """Return the floor of `module`: that of the longest name in the table that covers it."""
    places = [
        (len(name), floor)
        for floor, names in enumerate(FLOORS[room])
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    return max(places)[1] if places else None


@pytest.mark.parametrize("room", FLOORS)
def test_every_module_has_a_floor_and_imports_nothing_from_above(room: str) -> None:
    dependencies = _dependencies(room)
    homeless = [module for module in dependencies if module and _floor(room, module) is None]
    upward = [
        f"{module} (floor {_floor(room, module)}) imports {other} (floor {_floor(room, other)})"
        for module, others in dependencies.items()
        for other in others
        if module and other and (_floor(room, module) or 0) < (_floor(room, other) or 0)
    ]

    assert ([], []) == (homeless, sorted(upward))


@pytest.mark.parametrize("room", ROOMS)
def test_no_modules_import_each_other_in_a_circle(room: str) -> None:
    waiting = {module: set(others) for module, others in _dependencies(room).items()}
    while True:
        ready = {module for module, others in waiting.items() if not others & waiting.keys()}
        if not ready:
            break
        for module in ready:
            del waiting[module]

    assert {} == waiting


def test_compile_check_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "g.dot").write_text("digraph g { s [shape=Mdiamond] e [shape=Msquare] s -> e }\n")
    code = (
        "import sys; from attractor.cli.main import main\n"
        f"main(['compile', '--check', {str(tmp_path / 'g.dot')!r}])\n"
        f"print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == result.stdout.strip()


@pytest.mark.parametrize("room", ["compiler", "runtime", "cli"])
def test_no_group_is_repeated_possessively(room: str) -> None:
    """Python before 3.11.5 leaves such a group at the wrong place when its body fails halfway: `(?:ab)*+` eats an `a`.

    An atomic group says the same and is right everywhere: `(?>(?:ab)*)`. One character or class may be possessive.
    """
    group = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if group.search(line) and not line.lstrip().startswith("#")
    ]

    assert [] == wrong


def test_schemas_hold_no_code() -> None:
    bodies = {path.name: ast.parse(path.read_text("utf-8")).body for path in (ROOT / "schemas").glob("*.py")}

    assert {"__init__.py"} == set(bodies)
    assert 1 == len(bodies["__init__.py"])  # the docstring
