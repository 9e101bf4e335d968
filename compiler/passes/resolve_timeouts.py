"""Set how long a stage's attempt, a tool's command and an agent's shell commands may take, in milliseconds."""

from collections.abc import Mapping

from ..attributes import specs
from ..cascade import attribute_value, typed
from ..graph import Graph, Kind, Node, Origin, Sourced, Timeouts
from ..run_config import RunConfig

# The kinds whose attempts `timeout`, else run.yaml's `stage_timeout_ms`, bounds; a tool's bounds its command instead.
BOUNDED = frozenset({Kind.CODERGEN, Kind.FAN_IN, Kind.MANAGER})
NONE = Sourced(0, Origin("built-in"))
_SHELL = ("default_command_timeout_ms", "max_command_timeout_ms")


def run(graph: Graph, config: RunConfig | None) -> Graph:
    policy = _policy(config)
    table = specs("graph")
    shell = {name: typed(attribute_value(graph.attributes, table[name]), int) or policy[name] for name in _SHELL}
    timeouts = {node.id: _of_node(graph, node, shell, policy["stage_timeout_ms"]) for node in graph.nodes.values()}
    return graph._replace(timeouts=timeouts)


def _policy(config: RunConfig | None) -> Mapping[str, Sourced[int]]:
    """Return what run.yaml says, or none at all: a graph alone has no policy."""
    values = {"stage_timeout_ms": 0, "default_command_timeout_ms": 0, "max_command_timeout_ms": 0}
    if config is None:
        return dict.fromkeys(values, NONE)
    policy = config.policy
    values["stage_timeout_ms"] = policy.stage_timeout_ms
    values["default_command_timeout_ms"] = policy.default_command_timeout_ms
    values["max_command_timeout_ms"] = policy.max_command_timeout_ms
    return {name: Sourced(value, config.origin(f"/runtime_policy/{name}")) for name, value in values.items()}


def _of_node(graph: Graph, node: Node, shell: Mapping[str, Sourced[int]], stage: Sourced[int]) -> Timeouts:
    default, most = (_own(node, name) or shell[name] for name in _SHELL)
    own, kind = _own(node, "timeout"), graph.kinds.get(node.id)
    return Timeouts(
        stage_ms=(own or stage) if kind is not None and kind.value in BOUNDED else NONE,
        command_ms=(own or most) if kind is not None and kind.value is Kind.TOOL else NONE,
        command_default_ms=default,
        command_max_ms=most,
    )


def _own(node: Node, name: str) -> Sourced[int] | None:
    if name not in node.attributes:
        return None
    return typed(attribute_value(node.attributes, specs("node")[name]), int)
