"""Rules about what a way back costs and loses: restarts, rollbacks, what ends a loop and how long a round may take."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from .. import flow
from ..attributes import read_list, specs
from ..condition import OUTCOMES
from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Edge, Graph, Kind
from .conjunctions import OUTCOME
from .facts import flag, kind_of, some
from .outcomes import ENGINE_KEYS
from .registry import Check, Project, Rule
from .told import Told

RULES: tuple[Rule, ...] = (
    Rule(
        "loop_exit_llm_only",
        Severity.INFO,
        "only a word that a model chooses leads out of a loop",
        "A model that never says it is satisfied goes round until a limit stops the run. A tool that counts or tests "
        "decides the same way every time.",
        whole=True,
    ),
    Rule(
        "loop_restart_missing",
        Severity.INFO,
        "an edge leads far back without loop_restart",
        "All that the stages since then have said and decided stays in the context, and misleads the second try. "
        "`loop_restart=true` begins there with a fresh one, in the same workspace.",
        whole=True,
    ),
    Rule(
        "loop_restart_short",
        Severity.INFO,
        "loop_restart stands on an edge that leads back one or two stages only",
        "The restart throws away the context with which the stage before could have mended what is wrong.",
        whole=True,
    ),
    Rule(
        "loop_restart_state_lost",
        Severity.WARNING,
        "a condition behind a restart reads a context key that the restart clears",
        "After the restart the key is empty, and the stage that sets it does not run again before the condition.",
        whole=True,
    ),
    Rule(
        "loop_rollback_too_far",
        Severity.WARNING,
        "a late failure goes back to the beginning, although the same stage has a way back to a later point",
        "Nearly all of the paid work is done again for one failure that a later stage could have mended.",
        whole=True,
    ),
    Rule(
        "timeout_missing_in_loop",
        Severity.INFO,
        "LLM stages in a loop have no timeout, and run.yaml sets no stage_timeout_ms",
        "One attempt that never comes to an end holds the whole run; only max_wall_ms would stop it.",
        config=True,
        whole=True,
    ),
)

_FAR = 8  # stages between the two ends of an edge that leads far back
_EARLY, _MIDDLE = 2, 4  # an edge to the second stage or before it leads far back when it passes over this many
_SHORT = 2
_DEEP = 10  # stages on the way through a pipeline of which "early" and "late" can be said


def _depths(project: Project) -> Mapping[str, int]:
    """Return how many stages from the start each reachable node is."""
    depths = dict.fromkeys(project.analysis.starts, 0)
    waiting = list(depths)
    for node in waiting:
        for target in project.analysis.successors[node]:
            if target not in depths:
                depths[target] = depths[node] + 1
                waiting.append(target)
    return depths


def _is_restart(edge: Edge) -> bool:
    return bool(edge.attributes) and flag(edge.attributes, "loop_restart", "edge")


def check_distances(project: Project) -> Iterator[Diagnostic]:
    """loop_restart_missing, loop_restart_short, loop_rollback_too_far."""
    analysis, graph = project.analysis, project.graph
    if not analysis.components:
        return
    depths, home = _depths(project), analysis.component_of
    deepest = max(depths.values(), default=0)
    for edge in graph.edges:
        together = edge.source in home and home[edge.source] == home.get(edge.target)
        if not together or edge.source not in depths or edge.source == edge.target:
            continue
        there, span = depths[edge.target], depths[edge.source] - depths[edge.target]
        if _is_restart(edge):
            if 0 <= span <= _SHORT and not _after_an_outage(graph, edge):
                yield _short(edge, span)
        elif span >= _FAR or (there <= _EARLY and span >= _MIDDLE):
            later = _later_way_back(graph, edge, depths) if _is_rollback(edge, depths, deepest) else None
            yield _missing(edge, span) if later is None else _too_far(edge, span, later)


def _after_an_outage(graph: Graph, edge: Edge) -> bool:
    """Whether the restart follows only failures of the infrastructure, of which there is nothing to learn."""
    named = any(clause[1:3] == ("=", "transient_infra") for clause in edge.condition)
    return named or any(
        route.edge is edge and route.restart is not None and route.restart.on == "transient_infra"
        for route in graph.routes.get(edge.source, ())
    )


def _short(edge: Edge, span: int) -> Diagnostic:
    return Diagnostic(
        "loop_restart_short",
        edge.attributes["loop_restart"].key_span,
        f'this goes back {span} stage{"" if span == 1 else "s"}, to "{edge.target}", with an empty context; '
        "without loop_restart that stage sees what went wrong",
        subject=edge.name,
    )


def _missing(edge: Edge, span: int) -> Diagnostic:
    return Diagnostic(
        "loop_restart_missing",
        edge.span,
        f'this goes back {span} stages, to "{edge.target}", with all that was said since in the context; '
        "loop_restart=true begins there afresh",
        subject=edge.name,
    )


def _is_rollback(edge: Edge, depths: Mapping[str, int], deepest: int) -> bool:
    """Whether `edge` takes any failure from the last third of a long pipeline to its beginning."""
    chosen = any(
        clause.key != OUTCOME or (clause.op == "=" and clause.literal not in OUTCOMES) for clause in edge.condition
    )
    late, early = depths[edge.source] >= 0.7 * deepest, depths[edge.target] <= 0.2 * deepest
    return deepest >= _DEEP and late and early and not chosen


def _later_way_back(graph: Graph, edge: Edge, depths: Mapping[str, int]) -> Edge | None:
    """Return another way back from the same node, to a stage well behind the target of `edge`."""
    for other in graph.outgoing[edge.source]:
        here, there = depths[edge.source], depths.get(other.target, 0)
        if other is not edge and other.conditional and depths[edge.target] + _MIDDLE <= there < here:
            return other
    return None


def _too_far(edge: Edge, span: int, later: Edge) -> Diagnostic:
    return Diagnostic(
        "loop_rollback_too_far",
        edge.span,
        f'any failure of "{edge.source}" goes back {span} stages, to "{edge.target}", although "{later.target}" is a '
        "later point to begin at; lead it there, or let a word of its own ask for all that",
        subject=edge.name,
        related=(Related(later.span, "the nearer way back"),),
    )


def check_exits(project: Project) -> Iterator[Diagnostic]:
    """loop_exit_llm_only."""
    graph, told = project.graph, Told(project)
    for loop in project.analysis.components:
        leaving = [edge for node in loop for edge in graph.outgoing[node] if edge.target not in loop]
        if not leaving or loop.isdisjoint(project.analysis.reachable):
            continue
        leaving.sort(key=lambda edge: edge.order)
        if all(_chosen_by_a_model(graph, told, edge) for edge in leaving):
            yield Diagnostic(
                "loop_exit_llm_only",
                leaving[0].span,
                "only a word that a model chooses leads out of the loop of "
                + some(sorted(loop, key=lambda node: graph.nodes[node].order), 3),
                subject=leaving[0].name,
                help="let a tool decide, such as a test or a counter in a file, or set max_visits on a stage",
            )


def _chosen_by_a_model(graph: Graph, told: Told, edge: Edge) -> bool:
    words = [clause for clause in edge.condition if clause.key == OUTCOME and clause.op == "="]
    feeders = told.feeders(edge.source)
    return (
        any(clause.literal not in OUTCOMES for clause in words)
        and bool(feeders)
        and all(kind_of(graph, each) is Kind.CODERGEN for each in feeders)
    )


def check_persistence(project: Project) -> Iterator[Diagnostic]:
    """loop_restart_state_lost."""
    graph = project.graph
    restarts = [edge for edge in graph.edges if _is_restart(edge)]
    if not restarts:
        return
    kept = set(read_list(graph.attributes, specs("graph")["loop_restart_persist_keys"]) or ())
    told, successors = Told(project), project.analysis.successors
    after = cache(lambda node: flow.reachable(successors, [node]))
    seen: set[tuple[str, int]] = set()
    readers = [(edge, clause) for edge in graph.edges for clause in edge.condition if clause.key.startswith("context.")]
    for restart in restarts[:20]:
        for edge, clause in readers[:200]:
            key = clause.key.removeprefix("context.")
            known = key in ENGINE_KEYS or key.startswith(("graph.", "inputs.")) or key in kept
            if known or edge.source not in after(restart.target) or (key, edge.order) in seen:
                continue
            setters = [node for node in graph.nodes if re.search(rf"\b{re.escape(key)}\b", told.text(node))]
            again = [node for node in setters if node in after(restart.target) and edge.source in after(node)]
            if setters and not again:
                seen.add((key, edge.order))
                yield Diagnostic(
                    "loop_restart_state_lost",
                    clause.key_span,
                    f'the restart at "{restart.target}" clears "{key}", which only {some(setters, 2)} sets, and that '
                    "does not run again before this",
                    subject=edge.name,
                    related=(Related(restart.span, "the restart"),),
                    help=f'add "{key}" to loop_restart_persist_keys of the graph',
                )


def check_timeouts(project: Project) -> Iterator[Diagnostic]:
    """timeout_missing_in_loop: once a pipeline."""
    graph, analysis = project.graph, project.analysis
    endless = [
        node
        for node in analysis.of_kind(Kind.CODERGEN)
        if node in analysis.component_of and node in analysis.reachable and node in graph.timeouts
        if not graph.timeouts[node].stage_ms.value
    ]
    if endless and project.config is not None:
        yield Diagnostic(
            "timeout_missing_in_loop",
            graph.nodes[endless[0]].span,
            f"{some(endless, 3)} may go round in a loop, each time as long as an attempt takes; "
            "set runtime_policy.stage_timeout_ms in run.yaml, or a timeout here",
            subject=endless[0],
        )


CHECKS: tuple[Check, ...] = (check_distances, check_exits, check_persistence, check_timeouts)
