"""Rules about parallel regions: every branch begins at a component and ends at its join, and nowhere else."""

from collections.abc import Iterator

from .. import flow
from ..attributes import read_int, specs
from ..diagnostics import Diagnostic, Fix, Related, Severity
from ..graph import Edge, Kind, Level
from .edits import without_attribute
from .facts import condition_span, word
from .regions import Region, region_of, regions
from .registry import Check, Project, Rule
from .retry_targets import jumps_of

RULES: tuple[Rule, ...] = (
    Rule(
        "parallel_no_fan_in",
        Severity.ERROR,
        "the branches of a component do not meet in a tripleoctagon",
        "The branches run side by side, each on a copy of the context and the workspace; "
        "only a join can say what came of them and go on.",
        spec=True,  # a plan names the join of every component
        whole=True,
    ),
    Rule(
        "parallel_branch_escape",
        Severity.ERROR,
        "an edge, a restart or a retry target leaves a parallel region or enters it",
        "A branch ends at its join. It cannot go on behind it, finish the run or start it over, because its siblings "
        "are still at work; and what enters from outside has no branch to run in.",
        whole=True,
    ),
    Rule(
        "parallel_edge_condition",
        Severity.ERROR,
        "an edge out of a component has a condition",
        "A component runs all of its branches; its edges are not chosen, so the condition would not be looked at.",
        fix="unsafe",
    ),
    Rule(
        "fan_in_without_parallel",
        Severity.ERROR,
        "a fan-in has no component before it",
        "There are no branches to join, so the stage can only fail.",
        whole=True,
    ),
    Rule(
        "parallel_min_branches",
        Severity.ERROR,
        "a component has a single branch",
        "Nothing runs side by side: a branch was forgotten, or the node should be something else.",
        whole=True,
    ),
    Rule(
        "join_policy_valid",
        Severity.ERROR,
        "a join policy asks for more branches than there are, or a number is set that it does not look at",
        "With k above the number of branches the region can never succeed. A k or a quorum_fraction that the policy "
        "does not look at is a warning: it has no effect.",
        whole=True,
    ),
    Rule(
        "human_in_parallel",
        Severity.WARNING,
        "a human gate stands inside a parallel region",
        "One branch waits for a person while its siblings work and spend, and several may ask at once. "
        "Ask before the region, or behind its join.",
        whole=True,
    ),
)


def check_joins(project: Project) -> Iterator[Diagnostic]:
    """parallel_no_fan_in, fan_in_without_parallel, parallel_edge_condition."""
    graph, analysis = project.graph, project.analysis
    forks = analysis.of_kind(Kind.PARALLEL)
    for fork in forks:
        edges = graph.outgoing[fork]
        if fork in analysis.reachable_with_retries and edges and fork not in graph.joins:
            branches = ", ".join(f'"{edge.target}"' for edge in edges[:4]) + (", ..." if len(edges) > 4 else "")
            yield Diagnostic(
                "parallel_no_fan_in",
                graph.nodes[fork].span,
                f'the branches of "{fork}" ({branches}) do not all lead to one node of shape tripleoctagon',
                subject=fork,
                help="give the stage in which they meet shape=tripleoctagon, or add one before it",
            )
        if len({edge.target for edge in edges}) == 1:
            yield Diagnostic(
                "parallel_min_branches",
                graph.nodes[fork].span,
                f'"{fork}" has the single branch "{edges[0].target}"; add another, or leave "{fork}" out',
                subject=fork,
            )
        yield from _policy(project, fork)
        for edge in edges:
            if edge.conditional:
                edit = without_attribute(graph, edge, "condition")
                yield Diagnostic(
                    "parallel_edge_condition",
                    condition_span(edge),
                    f'"{fork}" runs all of its branches, whatever the condition; remove it, '
                    "or choose with a diamond inside the branch",
                    subject=edge.name,
                    fix=Fix("remove the condition", (edit,), safe=False) if edit else None,
                )
    joins = analysis.of_kind(Kind.FAN_IN)
    if joins:
        after = flow.reachable(analysis.successors, forks)
        for join in joins:
            if join not in after and join in analysis.reachable_with_retries:
                yield Diagnostic(
                    "fan_in_without_parallel",
                    graph.nodes[join].span,
                    f'"{join}" joins nothing: no node of shape component leads to it',
                    subject=join,
                    help="give the node at which the branches begin shape=component, or this one shape=box",
                )


def _policy(project: Project, fork: str) -> Iterator[Diagnostic]:
    """join_policy_valid."""
    attributes, edges = project.graph.nodes[fork].attributes, project.graph.outgoing[fork]
    policy = word(attributes, "join_policy") or "wait_all"
    needed = read_int(attributes, specs("node")["k"])
    if policy == "k_of_n" and needed is not None and needed > len(edges) > 0:
        yield Diagnostic(
            "join_policy_valid",
            attributes["k"].value_span,
            f'k is {needed}, but "{fork}" has {len(edges)} branch{"" if len(edges) == 1 else "es"}; '
            "with so few it can never be reached",
            subject=fork,
        )
    for key, looked_at in (("k", "k_of_n"), ("quorum_fraction", "quorum")):
        attribute = attributes.get(key)
        if attribute is not None and attribute.level is Level.OWN and policy != looked_at:
            yield Diagnostic(
                "join_policy_valid",
                attribute.key_span,
                f"{key} has no effect with join_policy={policy}; write join_policy={looked_at}, or drop it",
                Severity.WARNING,
                subject=fork,
            )


def check_people(project: Project) -> Iterator[Diagnostic]:
    """human_in_parallel."""
    gates = project.analysis.of_kind(Kind.HUMAN)
    inside = region_of(project) if gates else {}
    for gate in gates:
        if gate in inside:
            region = inside[gate]
            yield Diagnostic(
                "human_in_parallel",
                project.graph.nodes[gate].span,
                f'"{gate}" asks a person while the other branches of "{region.fork}" go on; '
                f'ask before "{region.fork}", or behind "{region.join}"',
                subject=gate,
                related=_places(project, region),
            )


def check_escapes(project: Project) -> Iterator[Diagnostic]:
    """parallel_branch_escape: each edge once, for the outermost region it crosses."""
    nodes = project.graph.nodes
    seen: set[int] = set()
    for region in regions(project):
        for node in sorted(region.nodes, key=lambda id_: nodes[id_].order):
            for edge in project.graph.outgoing[node]:
                leaves = edge.target not in region.nodes and edge.target != region.join
                if leaves and nodes[edge.target].declared and edge.order not in seen:
                    seen.add(edge.order)
                    yield _leaves(project, region, edge)
            for edge in project.graph.incoming[node]:
                outside = edge.source not in region.nodes and edge.source != region.fork
                if outside and edge.source in project.analysis.reachable and edge.order not in seen:
                    seen.add(edge.order)
                    yield _enters(project, region, edge)
            yield from _jumps(project, region, node)


def _leaves(project: Project, region: Region, edge: Edge) -> Diagnostic:
    what = "this restart" if edge.attributes.get("loop_restart") else "this edge"
    return Diagnostic(
        "parallel_branch_escape",
        edge.span,
        f'{what} leads out of the parallel region of "{region.fork}", past its join "{region.join}"',
        subject=edge.name,
        related=_places(project, region),
        help=f'lead it to "{region.join}", and decide behind the join',
    )


def _enters(project: Project, region: Region, edge: Edge) -> Diagnostic:
    return Diagnostic(
        "parallel_branch_escape",
        edge.span,
        f'this edge leads into the parallel region of "{region.fork}" from outside',
        subject=edge.name,
        related=_places(project, region),
        help=f'lead it to "{region.fork}", so that all branches run again',
    )


def _jumps(project: Project, region: Region, node: str) -> Iterator[Diagnostic]:
    for jump in jumps_of(project.graph, node):
        if jump.target in project.graph.nodes and jump.target not in region.nodes:
            yield Diagnostic(
                "parallel_branch_escape",
                jump.attribute.value_span,
                f'the {jump.attribute.key} of "{node}" leads out of the parallel region of "{region.fork}"',
                subject=node,
                related=_places(project, region),
                help="name a stage of the same branch, or set the retry target on the join",
            )


def _places(project: Project, region: Region) -> tuple[Related, ...]:
    nodes = project.graph.nodes
    return (
        Related(nodes[region.fork].span, "the branches begin here"),
        Related(nodes[region.join].span, "and end here"),
    )


CHECKS: tuple[Check, ...] = (check_joins, check_escapes, check_people)
