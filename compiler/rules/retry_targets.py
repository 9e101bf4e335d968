"""Rules about where a failed stage or an unsatisfied goal gate jumps to."""

from collections.abc import Iterator
from typing import NamedTuple

from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..graph import Attribute, Graph, Kind
from .facts import Nearby, kind_of
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "retry_target_exists",
        Severity.ERROR,
        "retry_target or fallback_retry_target names no node",
        "The jump is needed only when something has failed, often hours into a run; "
        "there it would turn out that it leads nowhere.",
        spec=True,
        fix="unsafe",
        whole=True,
    ),
    Rule(
        "retry_target_is_terminal",
        Severity.ERROR,
        "a retry target is an exit",
        "A jump to an exit retries nothing: a failed stage would end the run as if it had succeeded, "
        "and an unsatisfied goal gate would be checked again for ever.",
    ),
    Rule(
        "retry_target_is_self",
        Severity.WARNING,
        "a node is its own retry target",
        "The stage is tried again with nothing changed, until a limit stops it. For more attempts of the same stage "
        "there is max_retries, with a growing delay.",
    ),
    Rule(
        "retry_target_is_start",
        Severity.WARNING,
        "a retry target is the start node",
        "The whole pipeline runs again, in the workspace and with the context that the failed run has left.",
    ),
    Rule(
        "retry_target_mutual",
        Severity.WARNING,
        "nodes are each other's retry targets",
        "When both keep failing the run goes back and forth between them until a limit stops it.",
    ),
)

KEYS = ("retry_target", "fallback_retry_target")


class Jump(NamedTuple):
    """One retry target as written; `node` is "" for the graph's."""

    node: str
    attribute: Attribute

    @property
    def target(self) -> str:
        return self.attribute.text.strip()

    @property
    def owner(self) -> str:
        return f'"{self.node}"' if self.node else "the graph"


def jumps_of(graph: Graph, node: str = "") -> list[Jump]:
    """Return the retry targets that `node` (or, for "", the graph) names, in the order in which they are tried."""
    attributes = graph.nodes[node].attributes if node else graph.attributes
    return [Jump(node, found) for key in KEYS if (found := attributes.get(key)) is not None and found.text.strip()]


def check_targets(project: Project) -> Iterator[Diagnostic]:
    """retry_target_exists, retry_target_is_terminal, retry_target_is_self, retry_target_is_start."""
    graph, nearby = project.graph, Nearby(project.graph.nodes)
    for owner in ("", *graph.nodes):
        for jump in jumps_of(graph, owner):
            if jump.target not in graph.nodes:
                yield _missing(jump, nearby)
            elif jump.target == owner:
                yield _about(
                    "retry_target_is_self", jump, f'"{owner}" is its own {jump.attribute.key}',
                    "name an earlier stage that can change the result, or use max_retries",
                )  # fmt: skip
            elif kind_of(graph, jump.target) is Kind.EXIT:
                yield _about(
                    "retry_target_is_terminal", jump,
                    f'the {jump.attribute.key} of {jump.owner} is the exit "{jump.target}", where nothing is retried',
                    "name a stage from which the work can be done again",
                )  # fmt: skip
            elif kind_of(graph, jump.target) is Kind.START:
                yield _about(
                    "retry_target_is_start", jump,
                    f'the {jump.attribute.key} of {jump.owner} is the start node: everything would run again',
                    "name the first stage that has to be repeated",
                )  # fmt: skip


def _missing(jump: Jump, nearby: Nearby) -> Diagnostic:
    near = nearby.closest(jump.target)
    hint = Nearby.hint(near) or "name a node of this graph"
    fix = Fix(f'write "{near[0]}"', (Edit(jump.attribute.value_span, f'"{near[0]}"'),), safe=False) if near else None
    return _about(
        "retry_target_exists", jump,
        f'the {jump.attribute.key} of {jump.owner} is "{jump.target}", which is not a node; {hint}',
    )._replace(fix=fix)  # fmt: skip


def _about(rule: str, jump: Jump, message: str, help_: str = "") -> Diagnostic:
    subject = jump.node or jump.attribute.key
    return Diagnostic(rule, jump.attribute.value_span, message, subject=subject, help=help_)


def check_mutual(project: Project) -> Iterator[Diagnostic]:
    """retry_target_mutual: the cycles of length two or more among the nodes' first retry targets."""
    graph = project.graph
    first = {node: jumps[0] for node in graph.nodes if (jumps := jumps_of(graph, node))}
    walk_of: dict[str, str] = {}  # node -> the node from whose walk it was first seen
    for root in first:
        path: list[str] = []
        at = root
        while at in first and at not in walk_of:
            walk_of[at] = root
            path.append(at)
            at = first[at].target
        if at in first and walk_of.get(at) == root and first[at].target != at:
            cycle = path[path.index(at) :]
            yield Diagnostic(
                "retry_target_mutual",
                first[at].attribute.value_span,
                f"the retry targets lead in a circle: {' -> '.join([*cycle, at])}",
                subject=at,
                related=tuple(
                    Related(first[node].attribute.value_span, f'"{node}" goes back to "{first[node].target}"')
                    for node in cycle[1:4]
                ),
                help="let one of them name an earlier stage",
            )


CHECKS: tuple[Check, ...] = (check_targets, check_mutual)
