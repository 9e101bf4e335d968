"""Set how often each stage is tried and how long is waited in between."""

from collections.abc import Mapping

from ..attributes import Value, specs
from ..cascade import attribute_value, graph_value, node_value, typed
from ..graph import Backoff, Graph, Kind, Node, Origin, Retries, Sourced
from ..run_config import RunConfig

# They do no work of their own that another attempt could do better.
TRIED_ONCE = frozenset({Kind.START, Kind.EXIT, Kind.CONDITIONAL})

_FIELDS: Mapping[str, str] = {
    "initial_ms": "retry.backoff.initial_delay_ms",
    "factor": "retry.backoff.backoff_factor",
    "max_ms": "retry.backoff.max_delay_ms",
    "jitter": "retry.backoff.jitter",
}
_BACKOFF_ATTRIBUTES = frozenset(_FIELDS.values())
_NODE_ATTRIBUTES = _BACKOFF_ATTRIBUTES | {"max_retries", "allow_partial"}


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    by_default = _by_default(graph)
    once = by_default._replace(attempts=Sourced(1, Origin("built-in", None, "does no work that could be retried")))
    retries: dict[str, Retries] = {}
    for node in graph.nodes.values():
        kind = graph.kinds.get(node.id)
        if kind is not None and kind.value in TRIED_ONCE:
            retries[node.id] = once
        elif not _NODE_ATTRIBUTES.isdisjoint(node.attributes):
            retries[node.id] = _of_node(graph, node, by_default)
        else:
            retries[node.id] = by_default
    return graph._replace(retries=retries)


def _by_default(graph: Graph) -> Retries:
    allowed = typed(graph_value(graph, "default_max_retries"), int) or Sourced(0, Origin("built-in"))
    found = {field: graph_value(graph, name) for field, name in _FIELDS.items()}
    return Retries(
        attempts=Sourced(allowed.value + 1, allowed.origin),
        backoff=_backoff(found),
        backoff_origins={field: value.origin for field, value in found.items()},
        allow_partial=Sourced(
            specs("node")["allow_partial"].default is True, Origin("built-in", None, "allow_partial")
        ),
    )


def _of_node(graph: Graph, node: Node, by_default: Retries) -> Retries:
    table = specs("node")
    allowed = typed(node_value(graph, node, table["max_retries"]), int)
    retries = Retries(
        attempts=by_default.attempts if allowed is None else Sourced(allowed.value + 1, allowed.origin),
        backoff=by_default.backoff,
        backoff_origins=by_default.backoff_origins,
        allow_partial=typed(node_value(graph, node, table["allow_partial"]), bool) or by_default.allow_partial,
    )
    if _BACKOFF_ATTRIBUTES.isdisjoint(node.attributes):
        return retries
    found = {
        field: attribute_value(node.attributes, table[name]) or graph_value(graph, name)
        for field, name in _FIELDS.items()
    }
    return retries._replace(
        backoff=_backoff(found), backoff_origins={field: value.origin for field, value in found.items()}
    )


def _backoff(found: Mapping[str, Sourced[Value]]) -> Backoff:
    initial, most = typed(found["initial_ms"], int), typed(found["max_ms"], int)
    factor, jitter = typed(found["factor"], float), typed(found["jitter"], bool)
    assert initial and most and factor and jitter  # noqa: S101, PT018 - the table has a default for each
    return Backoff(initial_ms=initial.value, factor=factor.value, max_ms=most.value, jitter=jitter.value)
