"""Graph + RunConfig -> plan: nothing is decided here, only written down."""

import hashlib
import os.path
from collections.abc import Mapping

from .analysis import Analysis
from .attributes import Value, read, specs
from .emit import digest_of
from .graph import Graph, Kind
from .lower_nodes import lower_nodes
from .lower_run import (
    Scripts,
    lower_limits,
    lower_policy,
    lower_preflight,
    lower_provider,
    lower_workspace,
    record_run,
    used_models,
)
from .plan import COMPILER_VERSION, PLAN_VERSION, Plan, SourceFile
from .provenance import Recorder, relative_path
from .run_config import RunConfig, Scalar
from .unit import Unit


def lower(unit: Unit, config: RunConfig, scripts: Scripts, contents: Mapping[str, bytes]) -> Plan:
    """Return the plan of a graph without errors, and in it the plans of its children.

    Args:
        contents: of every file that was read for it, by path.
    """
    children: dict[str, Plan] = {}
    if unit.child is not None:
        read_for_child = {path: contents[path] for path in unit.child.paths}
        child = lower(unit.child, config._replace(goal=None), scripts, read_for_child)
        child["digest"] = digest_of(child)
        children = {node: child for node, kind in unit.graph.kinds.items() if kind.value is Kind.MANAGER}
    return _lower_graph(unit.graph, config, scripts, contents, children)


def _lower_graph(
    graph: Graph, config: RunConfig, scripts: Scripts, contents: Mapping[str, bytes], children: Mapping[str, Plan]
) -> Plan:
    folder = os.path.dirname(config.source.path)  # paths in the plan are relative to it
    assert graph.bounds is not None and graph.preflight is not None  # noqa: S101, PT018 - the passes have run
    recorder = Recorder(folder)
    analysis = Analysis(graph)
    used = used_models(graph.llm.values())
    providers = {*used}.union(*(child["providers"] for child in children.values()))
    known = [key for key in config.providers if key in providers]
    record_run(graph, config, known, recorder)
    return {
        "plan_version": PLAN_VERSION,
        "digest": "",  # taken when it is written
        "compiler": COMPILER_VERSION,
        "name": graph.name,
        "label": _text(graph, "label"),
        "goal": goal_of(graph, config),
        "inputs": dict(config.inputs),
        "sources": _sources(contents, folder),
        "start": next(iter(analysis.starts), ""),
        "exits": list(analysis.exits),
        "workspace": lower_workspace(config),
        "setup": {"commands": list(config.setup_commands), "timeout_ms": config.setup_timeout_ms},
        "limits": lower_limits(graph.bounds, config),
        "policy": lower_policy(graph.bounds, config),
        "env": {"pass": list(config.env_pass)},
        "human": {"mode": config.human_mode},
        "providers": {key: lower_provider(config.providers[key], used.get(key, ()), scripts) for key in known},
        "preflight": lower_preflight(graph.preflight, config, children.values()),
        "context": _context(graph, config),
        "nodes": lower_nodes(graph, children, recorder),
        "provenance": recorder.entries,
    }


def goal_of(graph: Graph, config: RunConfig | None) -> str:
    return _text(graph, "goal") if config is None or config.goal is None else config.goal


def _text(graph: Graph, key: str) -> str:
    value = read(graph.attributes, specs("graph")[key])
    return value if isinstance(value, str) else ""


def _sources(contents: Mapping[str, bytes], folder: str) -> list[SourceFile]:
    entries = ((relative_path(path, folder), content) for path, content in contents.items())
    return [{"path": path, "sha256": hashlib.sha256(content).hexdigest()} for path, content in sorted(entries)]


def _context(graph: Graph, config: RunConfig) -> dict[str, Scalar]:
    """Return what the context starts with: the graph's attributes as typed values, and the inputs."""
    table = specs("graph")
    context: dict[str, Scalar] = {}
    for key in sorted(graph.attributes):
        spec = table.get(key)
        value = graph.attributes[key].text if spec is None else read(graph.attributes, spec)
        context[f"graph.{key}"] = _scalar(value)
    context["graph.goal"] = goal_of(graph, config)
    context.update((f"inputs.{name}", value) for name, value in config.inputs.items())
    return context


def _scalar(value: Value) -> Scalar:
    return ",".join(value) if isinstance(value, tuple) else value
