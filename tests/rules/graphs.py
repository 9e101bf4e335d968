"""Linting a graph that a test writes down, without files."""

from attractor.compiler.compile import Compilation, Request, compile_pipeline
from attractor.compiler.diagnostics import Diagnostic, Severity
from attractor.compiler.graph import Graph
from attractor.compiler.settings import Settings, settle

ENDS = """
    begin [shape=Mdiamond]
    done  [shape=Msquare]
"""


class _Memory:
    """One file, `g.dot`, and others by name."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def read(self, path: str, limit: int) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(2, "no such file or directory")
        return self.files[path].encode()[:limit]

    def names(self, folder: str) -> list[str]:
        return sorted(self.files)

    def executable(self, path: str) -> bool | None:
        return False if path in self.files else None

    def repository(self, folder: str) -> str | None:
        return None

    def real(self, path: str) -> str:
        return path


def _compile(body: str, ends: str, files: dict[str, str]) -> Compilation:
    named = {name.replace("_", "."): text for name, text in files.items()}
    named["g.dot"] = f"digraph g {{\n{ends}{body}\n}}\n"
    run = "run.yaml" if "run.yaml" in named else None
    compilation = compile_pipeline(Request(run, "g.dot"), _Memory(named), None)
    assert [] == [each.message for each in compilation.diagnostics if each.rule == "internal_error"]
    return compilation


def lint(body: str, ends: str = ENDS, **files: str) -> list[Diagnostic]:
    """Return all findings, graded, of a digraph with `body`, a start `begin` and an exit `done`.

    Args:
        files: other files: `build_md="..."` is `build.md`; with `run_yaml`, the graph is checked with that run.yaml.
    """
    found = _compile(body, ends, files)
    return settle(found.diagnostics, Settings(), found.graphs, found.configs)


def compiled(body: str, ends: str = ENDS) -> Graph:
    """Return the graph of `body` after the passes."""
    unit = _compile(body, ends, {}).unit
    assert unit is not None
    return unit.graph


def of(rule: str, body: str, **files: str) -> list[tuple[Severity, str, str]]:
    """Return the findings of one rule: severity, subject and the text they underline."""
    return [
        (each.severity or Severity.ERROR, each.subject, each.span.text)
        for each in lint(body, **files)
        if each.rule == rule
    ]


def errors(body: str, **files: str) -> list[str]:
    return [f"{each.rule}: {each.message}" for each in lint(body, **files) if each.severity is Severity.ERROR]


def message(rule: str, body: str) -> str:
    """Return the message of the only finding of `rule`."""
    (found,) = [each for each in lint(body) if each.rule == rule]
    return found.message
