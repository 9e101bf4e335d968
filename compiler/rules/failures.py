"""Rules about failures: a failed stage must not turn into progress, and must not go round for nothing."""

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Fix, Related, Severity
from ..graph import Edge, Kind, Restart, Route
from .conjunctions import OUTCOME, needs_of, words_that_fit
from .edits import with_condition
from .facts import condition_span, domain_of, is_failure_exit, is_success_exit, kind_of, value_span, word
from .regions import region_of
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "stage_failure_ends_run",
        Severity.INFO,
        "nothing routes the failure of a stage, so that it ends the run",
        "A failure never runs the next stage. Without a matching edge, a retry target or a conditional node behind "
        "the stage, the run fails with the stage's reason: often just what is wanted.",
        whole=True,
    ),
    Rule(
        "tool_failure_unrouted",
        Severity.INFO,
        "only plain edges leave a tool node, and nothing routes its failure",
        "Here a failed command ends the run. Other engines follow the plain edge and go on as if it had succeeded, "
        "so a pipeline that is to run there needs a condition.",
        whole=True,
    ),
    Rule(
        "terminal_condition_edge",
        Severity.INFO,
        "a plain edge leads from a stage that can fail to an exit",
        "Here only a success follows it. Other engines follow it after a failure too, and report success.",
        fix="unsafe",
    ),
    Rule(
        "failure_routes_to_success_exit",
        Severity.ERROR,
        "an edge leads a failure to an exit that reports success",
        "The run would end as a success although a stage has failed. "
        "An exit with exit_status=fail ends it as what it is.",
    ),
    Rule(
        "loop_restart_failure_class_guard",
        Severity.INFO,
        "a restart after a failure does not look at the failure's class",
        "A failure that will not go away (deterministic) comes again after each restart. "
        "With loop_restart_on=transient_infra the restart is blocked after every other class, and the run fails there; "
        "then it is a warning.",
    ),
    Rule(
        "fail_loop_failure_class_guard",
        Severity.INFO,
        "a failure goes back to an earlier stage, whatever its class",
        "A failure that no repair can help (no credentials, a missing tool) is repaired in vain until the limit for "
        "the same failure ends the run.",
    ),
    Rule(
        "human_fail_closed",
        Severity.INFO,
        "nothing routes a human gate that nobody answers",
        "When the time is up, or human mode is `fail`, the gate fails, and with it the run.",
        whole=True,
    ),
)

_WORKING_ALONE = frozenset({Kind.CODERGEN, Kind.TOOL, Kind.MANAGER, Kind.FAN_IN})
_GUARD = ("context.failure_class", "=", "transient_infra")


def _takes(edge: Edge, outcome: str) -> bool:
    """Whether the condition of `edge` can hold when the outcome is `outcome`; true for one that has not been read."""
    needs = needs_of(edge.condition)
    return needs is not None and bool(words_that_fit(needs, frozenset({outcome})))


def _is_about_failure(edge: Edge) -> bool:
    """Whether `edge` is taken after failures and not after success."""
    return bool(edge.condition) and _takes(edge, "fail") and not _takes(edge, "success")


def _takes_every_failure(edge: Edge) -> bool:
    return _takes(edge, "fail") and all(clause.key == OUTCOME for clause in edge.condition)


def _routes_failure(project: Project, node: str) -> bool:
    graph = project.graph
    if graph.on_fail.get(node) or node in graph.catches:
        return True
    return any(
        route.kind in {"else", "always"} or (route.kind == "if" and _takes(route.edge, "fail"))
        for route in graph.routes.get(node, ())
    )


def check_unrouted(project: Project) -> Iterator[Diagnostic]:
    """stage_failure_ends_run, tool_failure_unrouted, human_fail_closed."""
    graph = project.graph
    inside = region_of(project)
    for id_, kind in graph.kinds.items():
        if id_ not in project.analysis.reachable_with_retries or id_ in inside or _routes_failure(project, id_):
            continue
        node, edges = graph.nodes[id_], graph.outgoing[id_]
        if kind.value in _WORKING_ALONE and node.declared:
            yield Diagnostic(
                "stage_failure_ends_run",
                node.span,
                f'when "{id_}" fails the run ends: no edge, no retry_target and no conditional node routes it',
                subject=id_,
                help='if it shall go on, add an edge with condition="outcome=fail", a retry_target or a diamond',
            )
            if kind.value is Kind.TOOL and edges and not any(_is_conditional_or_ends(project, edge) for edge in edges):
                yield Diagnostic(
                    "tool_failure_unrouted",
                    node.span,
                    f'other engines run "{edges[0].target}" after a failed "{id_}"; here the failure ends the run',
                    subject=id_,
                    help='for those, write condition="outcome=success" on the edge, or lead it to a diamond',
                )
        elif kind.value is Kind.HUMAN and not word(node.attributes, "human.default_choice"):
            timeout = node.attributes.get("human.timeout")
            when = f"within {timeout.text}" if timeout else "(in human mode `fail`, say)"
            yield Diagnostic(
                "human_fail_closed",
                value_span(timeout, node.span),
                f'when nobody answers "{id_}" {when} the run fails',
                subject=id_,
                help='set human.default_choice="TARGET", or add an edge with condition="outcome=fail"',
            )


def _is_conditional_or_ends(project: Project, edge: Edge) -> bool:
    return edge.conditional or is_success_exit(project.graph, edge.target)  # the latter: terminal_condition_edge


def check_exits(project: Project) -> Iterator[Diagnostic]:
    """terminal_condition_edge, failure_routes_to_success_exit."""
    graph = project.graph
    knows_failure_exits = any(is_failure_exit(graph, exit_) for exit_ in project.analysis.exits)
    for source, routes in graph.routes.items():
        ending = [route for route in routes if is_success_exit(graph, route.edge.target)]
        if not ending:
            continue
        caught = any(other.kind == "if" and _takes_every_failure(other.edge) for other in routes)
        for route in ending:
            if route.kind == "then" and kind_of(graph, source) in _WORKING_ALONE:
                yield _plain_edge_to_exit(project, route.edge)
            elif not knows_failure_exits and "fail" in domain_of(project, source):
                yield from _failure_to_exit(route, caught)


def _plain_edge_to_exit(project: Project, edge: Edge) -> Diagnostic:
    edit = with_condition(project.graph, edge, "outcome=success")
    return Diagnostic(
        "terminal_condition_edge",
        edge.span,
        f'other engines follow this edge when "{edge.source}" has failed, and report success; here only a success does',
        subject=edge.name,
        fix=Fix('add condition="outcome=success"', (edit,), safe=False) if edit else None,
    )


def _failure_to_exit(route: Route, caught: bool) -> Iterator[Diagnostic]:
    """Report an edge that is about failures, and an `else` edge that takes them.

    Args:
        caught: another edge takes every failure before the `else` edge is tried.
    """
    edge = route.edge
    if route.kind == "if" and _is_about_failure(edge):
        severity, place = None, condition_span(edge)
        message = f'when "{edge.source}" has failed this edge ends the run at "{edge.target}", which reports success'
    elif route.kind == "else" and not caught:
        severity, place = Severity.WARNING, edge.span
        message = (
            f'a failed "{edge.source}" takes this edge too, as it has no condition; "{edge.target}" reports success'
        )
    else:
        return
    help_ = f'lead it to an exit of its own, such as `failed [shape=Msquare, exit_status=fail]`, not to "{edge.target}"'
    yield Diagnostic("failure_routes_to_success_exit", place, message, severity, subject=edge.name, help=help_)


def check_failure_classes(project: Project) -> Iterator[Diagnostic]:
    """loop_restart_failure_class_guard, fail_loop_failure_class_guard."""
    graph, analysis = project.graph, project.analysis
    for source, routes in graph.routes.items():
        if "fail" not in domain_of(project, source):
            continue
        for route in routes:
            edge = route.edge
            if route.restart is not None:
                yield from _restart(project, route, route.restart)
            elif (
                kind_of(graph, source) is Kind.CONDITIONAL
                and _is_about_failure(edge)
                and not any(clause.key == _GUARD[0] for clause in edge.condition)
                and source in analysis.component_of
                and analysis.component_of[source] == analysis.component_of.get(edge.target)
            ):
                limit = graph.bounds.signature_limit.value if graph.bounds else 3
                yield Diagnostic(
                    "fail_loop_failure_class_guard",
                    condition_span(edge),
                    f'every failure goes back to "{edge.target}", also one that no repair can help; '
                    f"the run ends when the same failure has occurred {limit} times",
                    subject=edge.name,
                    help="route context.failure_class=transient_infra and =deterministic apart, if that matters here",
                )


def _restart(project: Project, route: Route, restart: Restart) -> Iterator[Diagnostic]:
    edge = route.edge
    guarded = any(clause[:3] == _GUARD for clause in edge.condition)
    carries_failure = route.kind in {"else", "always"} or (route.kind == "if" and _is_about_failure(edge))
    if not carries_failure:
        return
    blocked = restart.on == "transient_infra"
    severity = Severity.WARNING if blocked else None
    siblings = [
        other for other in project.graph.routes[edge.source]
        if other.restart is None and (other.kind in {"else", "always"} or _takes(other.edge, "fail"))
    ]  # fmt: skip
    if not guarded:
        effect = (
            "is blocked after a failure of any other class than transient_infra, and the run fails"
            if blocked
            else "also follows failures that will not go away, until a limit ends the run"
        )
        yield Diagnostic(
            "loop_restart_failure_class_guard",
            condition_span(edge),
            f'this restart {effect}; write condition="outcome=fail && context.failure_class=transient_infra"',
            severity,
            subject=edge.name,
            help='beside it, add an edge without restart for "context.failure_class!=transient_infra"',
        )
    elif not siblings and not project.graph.on_fail.get(edge.source):
        yield Diagnostic(
            "loop_restart_failure_class_guard",
            condition_span(edge),
            f'after a failure of any other class than transient_infra no edge of "{edge.source}" matches',
            severity,
            subject=edge.name,
            related=(Related(project.graph.nodes[edge.source].span, "the node"),),
            help='add an edge with condition="outcome=fail && context.failure_class!=transient_infra"',
        )


CHECKS: tuple[Check, ...] = (check_unrouted, check_exits, check_failure_classes)
