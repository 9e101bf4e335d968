"""The sentence: read, parse, build, pass, check. What it finds are values, what it reads comes through a door."""

import gc
import os.path
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, TypeVar

from .analysis import Analysis
from .attributes import read_str, specs
from .diagnostics import Diagnostic, Related, Severity
from .dot.parser import parse
from .graph import Graph, Kind
from .graph_builder import build_graph
from .locate import locate_graph
from .passes import PASSES
from .plan import Plan
from .reading import Archive, Files, Shell, Unreadable
from .rules import CHECKS, RULES, Check, Project
from .run_config import RunConfig
from .source import Source, Span
from .unit import Unit

MAX_CHILD_DEPTH = 8

T = TypeVar("T")


class Request(NamedTuple):
    """What to compile. Without `run` a graph is checked alone."""

    run: str | None  # path of run.yaml
    graph: str | None = None  # path of the .dot file: `--graph`, or the file that is checked
    overrides: Sequence[str] = ()  # KEY=VALUE


class Compilation(NamedTuple):
    """All that is known after checking; without errors, `plan_of` makes the plan of it."""

    config: RunConfig | None
    unit: Unit | None
    scripts: Mapping[str, Mapping[str, object]]
    diagnostics: Sequence[Diagnostic]
    archive: Archive
    graphs: Sequence[Source]  # the .dot files that were read
    configs: Sequence[Source]  # likewise run.yaml


def plan_of(compilation: Compilation) -> Plan:
    """Return the plan of what was compiled without errors."""
    from .lower import lower

    config, unit = compilation.config, compilation.unit
    assert config is not None and unit is not None  # noqa: S101, PT018 - else there would be errors
    with collector_off():
        return lower(unit, config, compilation.scripts, compilation.archive.contents)


def compile_pipeline(request: Request, files: Files, shell: Shell | None) -> Compilation:
    """Check one pipeline. All syntax errors come first, then everything about the parts that could be read."""
    with collector_off():
        return _Compiler(request, files, shell).compile()


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the garbage collector out: a compile makes many values and no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Compiler:
    def __init__(self, request: Request, files: Files, shell: Shell | None) -> None:
        self.request = request
        self.archive = Archive(files)
        self.shell = shell
        self.found: list[Diagnostic] = []
        self.graphs: list[Source] = []

    def compile(self) -> Compilation:
        source = None if self.request.run is None else self._source(self.request.run)
        config = None if source is None else self._config(source)
        scripts = {} if config is None else self._scripts(config)
        stranger = any(each.rule == "run_type" and not each.subject for each in self.found)  # no run.yaml at all
        path = None if stranger else self._graph_path(config)
        broken = any(each.rule == "run_syntax" for each in self.found)
        unit = None
        if path is not None:
            unit = self._unit(path[0], None if broken else config, (), path[1])
        configs = () if source is None else (source,)
        self.found = self._without_secrets(self.found)
        return Compilation(config, unit, scripts, self.found, self.archive, self.graphs, configs)

    # run.yaml

    def _config(self, source: Source) -> RunConfig | None:
        from .read_run_config import read_run_config  # YAML costs more than a graph: not for a graph alone

        result = self._guarded("reading run.yaml", source, partial(read_run_config, source, self.request.overrides))
        if result is None:
            return None
        self.found += result[1]
        return result[0]

    def _scripts(self, config: RunConfig) -> dict[str, Mapping[str, object]]:
        """Read the scenario files of scripted providers."""
        from .scenario import read_scenario

        scripts: dict[str, Mapping[str, object]] = {}
        for provider in config.providers.values():
            if provider.script is None:
                continue
            place = config.value_span(f"/llm/providers/{provider.written}/script")
            source = self._source_beside(config.source, provider.script, place, "script_unreadable")
            if source is None:
                continue
            result = self._guarded("reading a scenario", source, partial(read_scenario, source))
            values, found = result or (None, [])
            self.found += found
            if values is not None:
                scripts[provider.key] = values
        return scripts

    def _graph_path(self, config: RunConfig | None) -> tuple[str, Span | None] | None:
        """Return the path of the graph, and where it is named; None when that is not clear, and reported."""
        request = self.request
        if request.run is None or config is None:
            return None if request.graph is None else (request.graph, None)
        if config.graph is None and request.graph is not None:
            return request.graph, None
        path = locate_graph(config, self.archive.files)
        if isinstance(path, Diagnostic):
            self.found.append(path)
            return None
        if config.graph is None:
            return path, None
        place, real = config.value_span("/graph"), self.archive.files.real
        if request.graph is not None and real(request.graph) != real(path):
            message = f'this names another graph than --graph "{request.graph}"'
            help_ = "drop one of them; `--set graph=FILE` overrides this one, relative to this file"
            self.found.append(Diagnostic("graph_not_found", place, message, help=help_))
            return None
        return path, place

    # Graphs

    def _unit(self, path: str, config: RunConfig | None, above: tuple[str, ...], place: Span | None) -> Unit | None:
        """Compile the graph at `path`; `above`: the graphs whose child it is."""
        source = self._source(path, place)
        if source is None:
            return None
        self.graphs.append(source)
        parsed = self._guarded("the parser", source, partial(parse, source))
        if parsed is None:
            return None
        document, found = parsed
        self.found += found
        if document is None:
            return None
        built = self._guarded("the graph builder", source, partial(build_graph, document, source))
        if built is None:
            return None
        graph, found = built
        self.found += found
        graph, paths = self._with_files(graph)
        graph = self._passed(graph, config)
        self._check(graph, config, whole=document.whole)
        child = self._child(graph, config, (*above, source.path))
        return Unit(graph, (source.path, *paths, *(child.paths if child is not None else ())), child)

    def _with_files(self, graph: Graph) -> tuple[Graph, list[str]]:
        """Read the prompt files that nodes name."""
        files: dict[str, Source] = {}
        refused: set[str] = set()  # reported once, however many nodes name it
        for node in graph.nodes.values():
            attribute = node.attributes.get("prompt_file")
            written = "" if attribute is None else attribute.text.strip()
            if attribute is None or not written or written in files or written in refused:
                continue
            source = self._prompt_file(graph.source, written, attribute.value_span, node.id)
            if source is not None:
                files[written] = source
            else:
                refused.add(written)
        return graph._replace(files=files), [source.path for source in files.values()]

    def _prompt_file(self, beside: Source, written: str, place: Span, node: str) -> Source | None:
        files = self.archive.files
        folder = os.path.dirname(beside.path)
        root = files.real(files.repository(folder) or folder)
        real = files.real(os.path.join(folder, written))
        if os.path.commonpath((root, real)) != root:
            message = f'prompt_file "{written}" is outside the repository; copy it in, or write the prompt here'
            self.found.append(Diagnostic("prompt_file_unreadable", place, message, subject=node))
            return None
        return self._source_beside(beside, written, place, "prompt_file_unreadable", node)

    def _passed(self, graph: Graph, config: RunConfig | None) -> Graph:
        for each in PASSES:  # one that breaks leaves its column empty
            graph = self._guarded(_name(each), graph.source, partial(each, graph, config)) or graph
        return graph

    def _check(self, graph: Graph, config: RunConfig | None, *, whole: bool) -> None:
        project = Project(graph, config, Analysis(graph), self.archive, self.shell)
        kept_back = set() if whole else {rule.id for rule in RULES if rule.whole}
        before = len(self.found)
        broken = any(each.rule == "internal_error" for each in self.found)
        # What else could be said of a node that is not declared follows from that.
        undeclared = {node.id for node in graph.nodes.values() if not node.declared}
        for check in CHECKS:
            found = self._guarded(_name(check), graph.source, partial(_all_of, check, project)) or []
            told = [each for each in found if each.rule not in kept_back]
            self.found += [each for each in told if each.subject not in undeclared or each.rule == "edge_target_exists"]
        if broken:  # a check that misses what a broken pass should have resolved is no second mistake
            self.found[before:] = [each for each in self.found[before:] if each.rule != "internal_error"]

    def _child(self, graph: Graph, config: RunConfig | None, above: tuple[str, ...]) -> Unit | None:
        written = read_str(graph.attributes, specs("graph")["stack.child_dotfile"])
        if written is None or all(kind.value is not Kind.MANAGER for kind in graph.kinds.values()):
            return None
        place = graph.attributes["stack.child_dotfile"].value_span
        path = os.path.normpath(os.path.join(os.path.dirname(graph.source.path), written))
        if path in above or len(above) > MAX_CHILD_DEPTH:
            how = "is its own parent" if path in above else f"is nested deeper than {MAX_CHILD_DEPTH} pipelines"
            self.found.append(
                Diagnostic("child_pipeline_endless", place, f'child pipeline "{written}" {how}; name another file')
            )
            return None
        return self._unit(path, None if config is None else config._replace(goal=None), above, place)

    def _without_secrets(self, found: list[Diagnostic]) -> list[Diagnostic]:
        """Cover keys in graphs and prompt files, so that no excerpt shows one."""
        secrets = [each for each in found if each.rule == "prompt_secret"]
        if not secrets:
            return found
        from .secret_literals import masked

        return masked(found, secrets)

    # Reading, and our own mistakes

    def _source(self, path: str, place: Span | None = None) -> Source | None:
        try:
            return self.archive.source(path)
        except Unreadable as refusal:
            self.found.append(_unreadable(refusal, "source_unreadable", place))
            return None

    def _source_beside(self, beside: Source, path: str, place: Span, rule: str, subject: str = "") -> Source | None:
        try:
            return self.archive.beside(beside, path)
        except Unreadable as refusal:
            self.found.append(_unreadable(refusal, rule, place)._replace(subject=subject))
            return None

    def _guarded(self, name: str, source: Source, work: Callable[[], T]) -> T | None:
        """Do `work`; a mistake of ours becomes a diagnostic, so that it hides nothing else."""
        try:
            return work()
        except Exception as error:
            self.found.append(internal_error(name, source, error))
            return None


def internal_error(name: str, source: Source, error: Exception) -> Diagnostic:
    """Return the diagnostic that says that `name` broke on `source`."""
    at, where = error.__traceback__, ""
    while at is not None:
        where = f" at {os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}"
        at = at.tb_next
    message = f"{name} broke: {type(error).__name__}: {error}{where}"
    help_ = "this is a bug of attractor; please report it with the file that shows it"
    return Diagnostic("internal_error", source.span(0, 0), message, Severity.ERROR, subject=name, help=help_)


def _unreadable(refusal: Unreadable, rule: str, place: Span | None) -> Diagnostic:
    """Show a refusal at the byte that is to blame; where there is none, at `place`, which names the file."""
    if refusal.span is not None:
        related = () if place is None else (Related(place, "named here"),)
        return Diagnostic(rule, refusal.span, str(refusal), related=related)
    return Diagnostic(rule, place or Source(refusal.path, "").span(0, 0), str(refusal))


def _all_of(check: Check, project: Project) -> list[Diagnostic]:
    return list(check(project))


def _name(function: Callable[..., object]) -> str:
    module = function.__module__.rpartition(".")[2]
    return f"{module}.{getattr(function, '__name__', '?')}"
