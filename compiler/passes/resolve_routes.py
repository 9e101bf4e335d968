"""Put each node's edges into the order in which the runtime tries them, and say what each one is."""

import re
from collections.abc import Callable, Mapping, Sequence

from ..attributes import read_bool, read_int, read_str, specs
from ..graph import Attributes, Edge, Graph, Kind, Restart, Route
from ..run_config import RunConfig

_PREFIX = re.compile(r"(?:\[([A-Za-z0-9]++)\]|([A-Za-z0-9])\)|([A-Za-z0-9]) -)\s++(?=\S)")
_KEY = re.compile(r"\[([A-Za-z0-9]++)\]|([A-Za-z0-9])\)\s|([A-Za-z0-9]) - ")


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    restarts_on = read_str(graph.attributes, specs("graph")["loop_restart_on"])
    read_edge = _edge_reader(restarts_on or str(specs("graph")["loop_restart_on"].default))
    kinds = {node: kind.value for node, kind in graph.kinds.items()}
    routes: dict[str, Sequence[Route]] = {}
    for node, edges in graph.outgoing.items():
        otherwise = _unconditional_kind(edges, kinds)
        branches = kinds.get(node) is Kind.PARALLEL
        here = _in_order(
            [read_edge(edge, "branch" if branches else "if" if edge.conditional else otherwise) for edge in edges]
        )
        routes[node] = _with_accelerators(here) if kinds.get(node) is Kind.HUMAN else here
    return graph._replace(routes=routes)


def normalise_label(label: str) -> str:
    """Return a label as it is compared: lowercased, trimmed, without an accelerator in front."""
    label = label.strip()
    prefix = _PREFIX.match(label)
    return (label if prefix is None else label[prefix.end() :]).lower()


def option_named(routes: Sequence[Route], written: str) -> Route | None:
    """Return the option of a human gate that `written` names: its target, else its label, else its accelerator."""
    word, label = written.strip(), normalise_label(written)
    named = (
        [route for route in routes if route.edge.target == word],
        [route for route in routes if route.match and route.match == label],
        [route for route in routes if route.accelerator and route.accelerator.casefold() == word.casefold()],
    )
    return next((found[0] for found in named if found), None)


def _unconditional_kind(edges: Sequence[Edge], kinds: Mapping[str, Kind]) -> str:
    """Return what the unconditional ones among the edges of one node are."""
    if len(edges) == 1:
        return "always" if kinds.get(edges[0].target) is Kind.CONDITIONAL else "then"
    return "else" if any(edge.conditional for edge in edges) else "then"


def _in_order(routes: list[Route]) -> tuple[Route, ...]:
    """Sort: conditional edges before the others; the heaviest, then the lexically smallest target, then as declared.

    Branches keep their order, but for weight: all of them are taken, and their joins merge them in that order.
    """
    return tuple(
        sorted(
            routes,
            key=lambda route: (
                route.kind != "if",
                -route.weight,
                "" if route.kind == "branch" else route.edge.target,
                route.edge.order,
            ),
        )
    )


def _edge_reader(restarts_on: str) -> Callable[[Edge, str], Route]:
    table = specs("edge")
    weight, label, thread = table["weight"], table["label"], table["thread_id"]
    default_weight = weight.default if isinstance(weight.default, int) else 0

    def read_edge(edge: Edge, kind: str) -> Route:
        attributes = edge.attributes
        if not attributes:
            return Route(edge, kind, default_weight, "", "", None)
        written = attributes["label"].text if label.name in attributes else ""
        heavy = read_int(attributes, weight)
        return Route(
            edge=edge,
            kind=kind,
            weight=default_weight if heavy is None else heavy,
            label=written,
            match=normalise_label(written),
            restart=_restart(attributes, restarts_on),
            fidelity=read_str(attributes, table["fidelity"]),
            thread=read_str(attributes, thread),
        )

    return read_edge


def _restart(attributes: Attributes, restarts_on: str) -> Restart | None:
    table = specs("edge")
    if not read_bool(attributes, table["loop_restart"]):
        return None
    return Restart(read_str(attributes, table["loop_restart_on"]) or restarts_on)


def _with_accelerators(routes: Sequence[Route]) -> tuple[Route, ...]:
    """Give each option of a human gate its key: as its label says, else its first letter; its number when taken."""
    wanted = [_wanted_key(route) for route in routes]
    taken: set[str] = set()
    keyed = []
    for number, (route, key) in enumerate(zip(routes, wanted, strict=True), 1):
        if not key or key.casefold() in taken:
            key = next(str(n) for n in range(number, number + len(routes) + 1) if str(n) not in taken)
        taken.add(key.casefold())
        keyed.append(route._replace(accelerator=key))
    return tuple(keyed)


def written_key(label: str) -> str:
    """Return the accelerator that stands before a label, "" for none."""
    key = _KEY.match(label.strip())
    return next(filter(None, key.groups()), "") if key else ""


def _wanted_key(route: Route) -> str:
    label = route.label.strip() or route.edge.target
    return written_key(label) or label[:1]
