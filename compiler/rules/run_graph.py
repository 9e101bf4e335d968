"""Rules about a graph together with its run.yaml: people, timeouts, preflight."""

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Graph, Kind, Sourced
from ..run_config import RunConfig
from ..source import Span
from .facts import some
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "run_headless_human_gate",
        Severity.ERROR,
        "human.mode is fail, and the pipeline has a human gate whose failure nothing routes",
        "A run that gets there can only fail, whatever was achieved before.",
        config=True,
    ),
    Rule(
        "run_timeout_conflict",
        Severity.WARNING,
        "a stage may take longer than the whole run may",
        "The run is over before the stage's own timeout can end it, so that one of the two numbers has no effect.",
        config=True,
    ),
    Rule(
        "tool_timeout_above_max",
        Severity.WARNING,
        "a tool's own timeout is longer than max_command_timeout_ms",
        "The node's word holds, so the maximum does not bound this command.",
    ),
    Rule(
        "run_probe_timeout_low",
        Severity.INFO,
        "preflight gives real providers less time than the built-in 30 seconds",
        "A slow first answer then stops a run that would have worked.",
        config=True,
    ),
)

_PROBE_TIMEOUT_MS = 30_000


def check_people(project: Project) -> Iterator[Diagnostic]:
    """run_headless_human_gate."""
    graph, config = project.graph, project.config
    if config is None or config.human_mode != "fail":
        return
    for node in project.analysis.of_kind(Kind.HUMAN):
        routed = any(
            clause[:3] == ("outcome", "=", "fail") for edge in graph.outgoing[node] for clause in edge.condition
        )
        if not routed and not graph.on_fail.get(node) and node not in graph.catches:
            yield Diagnostic(
                "run_headless_human_gate",
                graph.nodes[node].span,
                f'"{node}" asks a person, but human.mode is fail and nothing routes the failure',
                subject=node,
                related=(Related(config.value_span("/human/mode"), "nobody is asked"),),
                help="use human.mode auto_approve or file, or give the gate an edge for outcome=fail",
            )


def check_timeouts(project: Project) -> Iterator[Diagnostic]:
    """timeout_default_above_max, tool_timeout_above_max, run_probe_timeout_low."""
    graph, config = project.graph, project.config
    seen: set[Span] = set()
    for id_, timeouts in graph.timeouts.items():
        default, most, kind = timeouts.command_default_ms, timeouts.command_max_ms, graph.kinds.get(id_)
        if kind is None or not most.value:
            continue
        if kind.value is Kind.TOOL and timeouts.command_ms.value > most.value:
            yield _tool_above(graph, id_, most)
        if kind.value is not Kind.CODERGEN or default.value <= most.value:
            continue
        place = _written(graph, default) or _written(graph, most)
        if place is not None and place not in seen:  # else both are run.yaml's: its reader compares them
            seen.add(place)
            yield Diagnostic(
                "timeout_default_above_max",
                place,
                f"default_command_timeout_ms is {default.value} ({default.origin.source}), "
                f"more than max_command_timeout_ms, {most.value} ({most.origin.source})",
                subject=id_,
                related=_related(most, "the maximum") if place != most.origin.span else (),
                help="lower the one, or raise the other",
            )
    if config is not None and config.probes.enabled and "/preflight/prompt_probes/timeout_ms" in config.spans:
        yield from _probes(config)


def check_wall_clock(project: Project) -> Iterator[Diagnostic]:
    """run_timeout_conflict: one finding per place."""
    graph, config = project.graph, project.config
    wall_ms = None if config is None else config.limits.max_wall_ms
    if config is None or wall_ms is None:
        return
    seen: set[Span] = set()
    for node, timeouts in graph.timeouts.items():
        for found in (timeouts.stage_ms, timeouts.command_ms):
            place = _place_of_timeout(graph, node, found)
            if found.value > wall_ms and place is not None and place not in seen:
                seen.add(place)
                yield Diagnostic(
                    "run_timeout_conflict",
                    place,
                    f"{found.value} ms is longer than limits.max_wall_ms, {wall_ms}: the run would be over first",
                    subject=node,
                    related=(Related(config.value_span("/limits/max_wall_ms"), "the run's limit"),),
                    help="lower the timeout, or raise limits.max_wall_ms",
                )


def _place_of_timeout(graph: Graph, node: str, found: Sourced[int]) -> Span | None:
    attribute = graph.nodes[node].attributes.get("timeout")
    if attribute is not None and attribute.key_span == found.origin.span:
        return attribute.value_span
    return found.origin.span


def _written(graph: Graph, found: Sourced[int]) -> Span | None:
    """Return where a value is written in the graph; None for what comes from run.yaml, or is built in."""
    span = found.origin.span
    return span if span is not None and span.source is graph.source else None


def _tool_above(graph: Graph, node: str, most: Sourced[int]) -> Diagnostic:
    attribute = graph.nodes[node].attributes["timeout"]
    return Diagnostic(
        "tool_timeout_above_max",
        attribute.value_span,
        f"timeout={attribute.text} is longer than max_command_timeout_ms, {most.value}; it holds all the same",
        subject=node,
        related=_related(most, "the maximum"),
        help="raise max_command_timeout_ms if that is meant, so that the two agree",
    )


def _related(found: Sourced[int], message: str) -> tuple[Related, ...]:
    return () if found.origin.span is None else (Related(found.origin.span, message),)


def _probes(config: RunConfig) -> Iterator[Diagnostic]:
    real = [provider.written for provider in config.providers.values() if provider.backend == "api"]
    if real and config.probes.timeout_ms < _PROBE_TIMEOUT_MS:
        yield Diagnostic(
            "run_probe_timeout_low",
            config.value_span("/preflight/prompt_probes/timeout_ms"),
            f"{config.probes.timeout_ms} ms may be too short for the first answer of {some(real)}; "
            f"{_PROBE_TIMEOUT_MS} is built in",
        )


CHECKS: tuple[Check, ...] = (check_people, check_timeouts, check_wall_clock)
