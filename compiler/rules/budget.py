"""Rules about how often models may be asked: what the limits allow, and how retries multiply."""

import heapq
from collections.abc import Iterator, Mapping

from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Attribute, Kind, Origin
from ..run_config import RunConfig
from ..shell_words import Command, commands_in
from ..source import Span
from .facts import is_success_exit, kind_of, some
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "budget_exceeded",
        Severity.ERROR,
        "limits.max_llm_calls is less than the shortest way to a success exit needs",
        "Every stage on that way asks its model at least once, so the run would be stopped by its limit, whatever the "
        "models say, after all that was allowed has been spent.",
        config=True,
        whole=True,
    ),
    Rule(
        "budget_report",
        None,
        "how often models are asked: at least, at most, and what makes it so many",
        "Loops, retries, failover and restarts multiply. The figure is for those who set limits; it is off unless a "
        "settings file asks for it.",
        config=True,
        whole=True,
    ),
    Rule(
        "retry_default_implicit",
        None,
        "stages rely on the built-in number of retries",
        "Engines differ here: 0, 3 or 50 attempts more. The same file then costs something else elsewhere; "
        "default_max_retries says what is meant. Off: most graphs leave the default alone.",
    ),
    Rule(
        "retry_multiplier",
        Severity.WARNING,
        "the retries of a stage, of its requests and of its failover chain multiply to 40 or more",
        "When a provider is down all of them are gone through, with growing delays, before anything else happens.",
        config=True,
    ),
    Rule(
        "retry_on_deterministic_tool",
        Severity.WARNING,
        "a tool is retried whose command does the same each time",
        "The same compiler on the same files says the same. Retries cost time and hide nothing but a flaky test; "
        "a stage that repairs can change the result. A default of the graph is only mentioned.",
    ),
)

_MOST_TRIES = 40
_DETERMINISTIC = frozenset(
    """
    [ [[ test true false : cd echo printf export set cat cp mv rm mkdir touch ls grep egrep fgrep diff cmp jq sed awk wc
    head tail sort uniq tr cut find basename dirname ruff mypy flake8 black isort pyright tsc eslint prettier pytest
    gofmt rustfmt shellcheck clang-format
    """.split()
)  # fmt: skip
_DETERMINISTIC_PARTS: Mapping[str, frozenset[str]] = {
    "go": frozenset({"vet", "fmt", "test", "build"}),
    "cargo": frozenset({"fmt", "clippy", "check", "test", "build"}),
    "git": frozenset({"diff", "status", "rev-parse", "log", "show", "ls-files"}),
    "command": frozenset({"-v"}),
}


def check_calls(project: Project) -> Iterator[Diagnostic]:
    """budget_exceeded, budget_report."""
    graph, config = project.graph, project.config
    if config is None or not project.analysis.starts:
        return
    way = _cheapest_way(project)
    if way is None:
        return
    least = sum(1 for node in way if node in graph.llm)
    limit = config.limits.max_llm_calls
    if limit is not None and limit < least:
        stages = [node for node in way if node in graph.llm]
        yield Diagnostic(
            "budget_exceeded",
            config.value_span("/limits/max_llm_calls"),
            f"max_llm_calls is {limit}, but the shortest way to a success exit asks {least} times: {some(stages)}",
            subject=graph.name,
            related=(Related(graph.nodes[way[-1]].span, "the exit"),),
            help="raise the limit, or shorten the pipeline",
        )
    if graph.llm:
        yield _report(project, config, least)


def _cheapest_way(project: Project) -> list[str] | None:
    """Return the nodes of the way from the start to a success exit with the fewest LLM stages (Dijkstra)."""
    graph, start = project.graph, project.analysis.starts[0]
    best: dict[str, int] = {start: 0}
    above: dict[str, str] = {}
    heap = [(0, 0, start)]
    while heap:
        cost, _, node = heapq.heappop(heap)
        if cost > best[node]:
            continue
        if is_success_exit(graph, node):
            way = [node]
            while way[-1] in above:
                way.append(above[way[-1]])
            return way[::-1]
        jumps = graph.on_fail.get(node, ())
        caught = [graph.catches[node]] if node in graph.catches else []
        for target in (*project.analysis.successors[node], *jumps, *caught):
            further = cost + (target in graph.llm)
            if further < best.get(target, further + 1):
                best[target], above[target] = further, node
                heapq.heappush(heap, (further, graph.nodes[target].order, target))
    return None


def _report(project: Project, config: RunConfig, least: int) -> Diagnostic:
    graph, looping = project.graph, project.analysis.component_of
    most, dearest, dearest_node = 0, 0, ""
    endless = ""
    for node, llm in graph.llm.items():
        visits = 1
        if node in looping and graph.bounds is not None:
            visits = graph.bounds.max_visits[node].value
            endless = endless or ("" if visits else node)
        tries = graph.retries[node].attempts.value if node in graph.retries else 1
        calls = visits * tries * (config.policy.max_llm_retries + 1) * max(1, len(llm.chain)) * _turns(project, node)
        most += calls
        if calls > dearest:
            dearest, dearest_node = calls, node
    restarts = any(route.restart for routes in graph.routes.values() for route in routes)
    times = graph.bounds.max_restarts.value + 1 if restarts and graph.bounds is not None else 1
    if endless:
        upper = f'at most: no bound, as nothing limits the visits of "{endless}"'
    else:
        upper = f'at most {most * times:,} times, most of them by "{dearest_node}"'
        upper += f", {times - 1} restarts included" if times > 1 else ""
    message = f"models are asked at least {least} times on the way to a success exit, {upper}"
    return Diagnostic("budget_report", graph.name_span, message, Severity.INFO, subject=graph.name)


def _turns(project: Project, node: str) -> int:
    llm = project.graph.llm[node]
    return 1 if llm.mode.value == "one_shot" else max(1, llm.max_agent_turns.value)


def check_retries(project: Project) -> Iterator[Diagnostic]:
    """retry_default_implicit, retry_multiplier, retry_on_deterministic_tool."""
    graph, config = project.graph, project.config
    implicit: list[str] = []
    multiplied: dict[Span | None, list[str]] = {}
    repeated: dict[Span | None, list[str]] = {}
    for node, retries in graph.retries.items():
        again, origin = retries.attempts.value - 1, retries.attempts.origin
        kind = kind_of(graph, node)
        if origin.source == "built-in" and kind is Kind.CODERGEN and node in project.analysis.reachable:
            implicit.append(node)
        if config is not None and node in graph.llm:
            tries = again * config.policy.max_llm_retries * len(graph.llm[node].chain)
            if tries >= _MOST_TRIES:
                multiplied.setdefault(origin.span, []).append(node)
        command = graph.nodes[node].attributes.get("tool_command")
        if again > 0 and kind is Kind.TOOL and command is not None and _is_deterministic(command):
            repeated.setdefault(origin.span, []).append(node)
    if implicit:
        yield _implicit(project, implicit)
    for place, nodes in multiplied.items():
        yield _multiplied(project, config, place, nodes)
    for place, nodes in repeated.items():
        yield _repeated(project, place, nodes)


def _implicit(project: Project, nodes: list[str]) -> Diagnostic:
    graph = project.graph
    return Diagnostic(
        "retry_default_implicit",
        graph.name_span,
        f"{some(nodes, 3)} {'relies' if len(nodes) == 1 else 'rely'} on the built-in max_retries, 0, and other engines "
        "have other defaults; write default_max_retries=0 in graph [..], or what is meant",
        subject="default_max_retries",
    )


def _multiplied(project: Project, config: RunConfig | None, place: Span | None, nodes: list[str]) -> Diagnostic:
    graph, node = project.graph, nodes[0]
    again, chain = graph.retries[node].attempts.value - 1, len(graph.llm[node].chain)
    requests = 0 if config is None else config.policy.max_llm_retries
    through = f" through {chain} models" if chain > 1 else ""
    return Diagnostic(
        "retry_multiplier",
        place or graph.nodes[node].span,
        f"{again} retries of {some(nodes, 3)}, each with {requests} of every request{through}, "
        f"make {again * requests * chain} before a provider that is down is given up",
        subject=node,
        help="lower max_retries here, or runtime_policy.max_llm_retries",
    )


def _repeated(project: Project, place: Span | None, nodes: list[str]) -> Diagnostic:
    graph, node = project.graph, nodes[0]
    origin: Origin = graph.retries[node].attempts.origin
    inherited = origin.source == "graph"
    many = len(nodes) > 1 or inherited
    return Diagnostic(
        "retry_on_deterministic_tool",
        place or graph.nodes[node].span,
        f"{some(nodes, 3)} {'do' if len(nodes) > 1 else 'does'} the same on every attempt; "
        + ("set max_retries=0 there" if many else "drop max_retries"),
        Severity.INFO if inherited else None,
        subject=node,
        related=tuple(Related(graph.nodes[each].span, f'"{each}"') for each in nodes[:3]) if many else (),
        help="retries help where a command reaches the network; else lead the failure to a stage that repairs",
    )


def _is_deterministic(command: Attribute) -> bool:
    """Whether all that a command does is known to give the same again; what is not known may well differ."""
    commands = commands_in(command.text)
    return bool(commands) and all(map(_gives_the_same, commands))


def _gives_the_same(found: Command) -> bool:
    parts = _DETERMINISTIC_PARTS.get(found.name)
    return found.name in _DETERMINISTIC or (
        parts is not None and found.arguments[:1] != [] and found.arguments[0] in parts
    )


CHECKS: tuple[Check, ...] = (check_calls, check_retries)
