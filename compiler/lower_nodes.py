"""The nodes of a plan: each with its effective values, and its edges in the order in which they are tried."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from . import plan as to
from .attributes import AttributeSpec, Value, origin_of, read, specs
from .condition import parse_condition
from .graph import Backoff, Clause, Edge, Graph, Kind, LlmSettings, Model, Node, Origin, Prompt, Route
from .passes.resolve_routes import normalise_label, option_named
from .provenance import Recorder

LOG_DIR_OF_RESTARTS = "restart"
NO_PROMPT = to.Prompt(text="", engine="plain", holes=[])
NO_HOOKS = to.Hooks(pre="", post="")
NO_HOLES: list[to.Hole] = []
NO_CLAUSES: list[to.Clause] = []


class NodeLowering:
    """Lowers the nodes of one graph. `children`: the plan of the child pipeline, by manager node."""

    def __init__(self, graph: Graph, children: Mapping[str, to.Plan], recorder: Recorder) -> None:
        self.graph = graph
        self.children = children
        self.recorder = recorder
        self.node_table = specs("node")
        self.graph_table = specs("graph")

    def lower(self, node: Node) -> to.AnyNode:
        common = self._common(node)
        match self.graph.kinds[node.id].value:
            case Kind.START | Kind.CONDITIONAL:
                return common
            case Kind.EXIT:
                return {**common, "exit_status": self._text(node, "exit_status")}
            case Kind.TOOL:
                return {**common, "command": self._text(node, "tool_command"), "outputs": self._words(node, "outputs")}
            case Kind.CODERGEN:
                return self._codergen(node, common)
            case Kind.HUMAN:
                return self._human(node, common)
            case Kind.PARALLEL:
                return self._parallel(node, common)
            case Kind.FAN_IN:
                asks = node.id in self.graph.prompts and node.id in self.graph.llm
                return {
                    **common,
                    "merge": self._text(node, "merge"),
                    "prompt": self._prompt(node) if asks else None,
                    "llm": self._llm(node) if asks else None,
                }
            case Kind.MANAGER:
                return self._manager(node, common)

    # What every node has

    def _common(self, node: Node) -> to.Node:
        graph, id_ = self.graph, node.id
        retries, memory = graph.retries[id_], graph.memories[id_]
        self._record(node)
        return {
            "id": id_,
            "kind": graph.kinds[id_].value.value,
            "label": self._text(node, "label"),
            "attempts": retries.attempts.value,
            "backoff": _backoff(retries.backoff),
            "timeouts": self._timeouts(node),
            "max_visits": self._max_visits(node),
            "goal_gate": self._flag(node, "goal_gate"),
            "allow_partial": retries.allow_partial.value,
            "auto_status": self._flag(node, "auto_status"),
            "on_fail": _words(tuple(graph.on_fail.get(id_, ()))),
            "catch": graph.catches.get(id_),
            "outcomes": _words(tuple(graph.outcomes.get(id_, ()))),
            "fidelity": memory.fidelity.value,
            "thread": memory.thread.value,
            "hooks": self._hooks(node),
            "edges": self._edges(id_),
        }

    def _hooks(self, node: Node) -> to.Hooks:
        if self.graph.kinds[node.id].value is not Kind.CODERGEN:
            return NO_HOOKS
        pre = self._text(node, "tool_hooks.pre", "tool_hooks.pre")
        post = self._text(node, "tool_hooks.post", "tool_hooks.post")
        return {"pre": pre, "post": post} if pre or post else NO_HOOKS

    def _max_visits(self, node: Node) -> int:
        bounds = self.graph.bounds
        if bounds is None:
            return 0
        visits = bounds.max_visits[node.id]
        self.recorder.note(node.id, "max_visits", visits.origin)
        return visits.value

    def _timeouts(self, node: Node) -> to.Timeouts:
        stage, command, default, most = self.graph.timeouts[node.id]
        return _timeouts(stage.value, command.value, default.value, most.value)

    # What its kind has

    def _codergen(self, node: Node, common: to.Node) -> to.Codergen:
        settings = self.graph.llm[node.id]
        return {
            **common,
            "mode": settings.mode.value,
            "prompt": self._prompt(node),
            "llm": self._llm(node),
            "outputs": self._words(node, "outputs"),
        }

    def _human(self, node: Node, common: to.Node) -> to.Human:
        default = option_named(self.graph.routes.get(node.id, ()), self._text(node, "human.default_choice"))
        return {
            **common,
            "prompt": self._prompt(node),
            "default_choice": None if default is None else default.edge.target,
            "timeout_ms": self._number(node, "human.timeout"),
        }

    def _parallel(self, node: Node, common: to.Node) -> to.Parallel:
        fraction = self._value(node, "quorum_fraction")
        return {
            **common,
            "join": self.graph.joins.get(node.id, ""),
            "join_policy": self._text(node, "join_policy"),
            "error_policy": self._text(node, "error_policy"),
            "max_parallel": self._number(node, "max_parallel"),
            "k": self._number(node, "k"),
            "quorum_fraction": fraction if isinstance(fraction, float) else 0.0,
        }

    def _manager(self, node: Node, common: to.Node) -> to.Manager:
        stop = node.attributes.get("manager.stop_condition")
        workdir = self.graph.attributes.get("stack.child_workdir")
        return {
            **common,
            "child": self.children.get(node.id),
            "autostart": self._flag(node, "stack.child_autostart"),
            "poll_interval_ms": self._number(node, "manager.poll_interval"),
            "max_cycles": self._number(node, "manager.max_cycles"),
            "stop_condition": [] if stop is None else _clauses(parse_condition(stop.value)[0]),
            "actions": self._words(node, "manager.actions"),
            "workdir": "" if workdir is None else workdir.text.strip(),
            "prompt": self._prompt(node),
            "llm": self._llm(node) if node.id in self.graph.llm else None,
        }

    def _prompt(self, node: Node) -> to.Prompt:
        prompt: Prompt | None = self.graph.prompts.get(node.id)
        if prompt is None:
            return NO_PROMPT
        self.recorder.note(node.id, "prompt", prompt.origin)
        return {
            "text": prompt.text,
            "engine": prompt.engine,
            "holes": [{"at": hole.at, "name": hole.name} for hole in prompt.holes] or NO_HOLES,
        }

    def _llm(self, node: Node) -> to.Llm:
        settings: LlmSettings = self.graph.llm[node.id]
        for field, origin in (
            ("llm.provider", settings.provider.origin),
            ("llm.model", settings.model.origin),
            ("llm.chain", settings.chain_origin),
            ("llm.reasoning_effort", settings.reasoning_effort.origin),
            ("llm.max_tokens", settings.max_tokens.origin),
            ("llm.max_agent_turns", settings.max_agent_turns.origin),
            ("mode", settings.mode.origin),
        ):
            self.recorder.note(node.id, field, origin)
        effort, tokens, turns = settings.reasoning_effort, settings.max_tokens, settings.max_agent_turns
        return _llm_settings(settings.chain, effort.value, tokens.value, turns.value)

    # Edges

    def _edges(self, node: str) -> list[to.Edge]:
        return [self._edge(number, route) for number, route in enumerate(self.graph.routes.get(node, ()), 1)]

    def _edge(self, number: int, route: Route) -> to.Edge:
        edge, restart = route.edge, route.restart
        self._record_edge(number, edge)
        return {
            "to": edge.target,
            "kind": route.kind,
            "when": _clauses(edge.condition) or NO_CLAUSES,
            "label": route.label,
            "match": route.match,
            "weight": route.weight,
            "restart": None if restart is None else {"on": restart.on, "log_dir": LOG_DIR_OF_RESTARTS},
            "fidelity": route.fidelity,
            "thread": route.thread,
            "accelerator": route.accelerator,
        }

    def _record_edge(self, number: int, edge: Edge) -> None:
        subject = f"{edge.name}#{number}"
        self.recorder.note(subject, "to", Origin("edge", edge.source_span))
        for attribute in edge.attributes.values():
            field = _FIELD_OF_EDGE_ATTRIBUTE.get(attribute.key)
            if field is not None:
                self.recorder.note(subject, field, origin_of(attribute, "edge"))

    # Attributes: the node's, else the graph's, else the table's default

    def _value(self, node: Node, key: str, graph_key: str = "") -> Value:
        spec: AttributeSpec = self.node_table[key]
        if key in node.attributes:
            value = read(node.attributes, spec)
            if value is not None:
                self.recorder.note(node.id, FIELD_OF_ATTRIBUTE.get(key, key), origin_of(node.attributes[key], "node"))
                return value
        if not graph_key:
            return spec.default
        value = read(self.graph.attributes, self.graph_table[graph_key])
        if value is not None:
            origin = origin_of(self.graph.attributes[graph_key], "graph")
            self.recorder.note(node.id, FIELD_OF_ATTRIBUTE.get(key, key), origin)
            return value
        return self.graph_table[graph_key].default

    def _text(self, node: Node, key: str, graph_key: str = "") -> str:
        value = self._value(node, key, graph_key)
        return value if isinstance(value, str) else ""

    def _number(self, node: Node, key: str, graph_key: str = "") -> int:
        value = self._value(node, key, graph_key)
        return value if isinstance(value, int) else 0

    def _flag(self, node: Node, key: str) -> bool:
        return self._value(node, key) is True

    def _words(self, node: Node, key: str) -> list[str]:
        value = self._value(node, key)
        return _words(value if isinstance(value, tuple) else ())

    # Where the passes' values came from

    def _record(self, node: Node) -> None:
        graph, note, id_ = self.graph, self.recorder.note, node.id
        note(id_, "kind", graph.kinds[id_].origin)
        retries, timeouts = graph.retries[id_], graph.timeouts[id_]
        note(id_, "attempts", retries.attempts.origin)
        note(id_, "allow_partial", retries.allow_partial.origin)
        for field, origin in retries.backoff_origins.items():
            note(id_, f"backoff.{field}", origin)
        memory = graph.memories[id_]
        note(id_, "fidelity", memory.fidelity.origin)
        note(id_, "thread", memory.thread.origin)
        note(id_, "timeouts.stage_ms", timeouts.stage_ms.origin)
        note(id_, "timeouts.command_ms", timeouts.command_ms.origin)
        note(id_, "timeouts.command_default_ms", timeouts.command_default_ms.origin)
        note(id_, "timeouts.command_max_ms", timeouts.command_max_ms.origin)
        for key in ("retry_target", "fallback_retry_target"):
            if key in node.attributes:
                note(id_, "on_fail", origin_of(node.attributes[key], "node"))
                break


FIELD_OF_ATTRIBUTE: Mapping[str, str] = {
    "tool_hooks.pre": "hooks.pre",
    "tool_hooks.post": "hooks.post",
    "tool_command": "command",
    "human.default_choice": "default_choice",
    "human.timeout": "timeout_ms",
    "stack.child_autostart": "autostart",
    "manager.poll_interval": "poll_interval_ms",
    "manager.max_cycles": "max_cycles",
    "manager.actions": "actions",
}
"""Plan field of a node attribute; where the names agree there is no row."""

_FIELD_OF_EDGE_ATTRIBUTE: Mapping[str, str] = {
    "condition": "when",
    "label": "label",
    "weight": "weight",
    "fidelity": "fidelity",
    "thread_id": "thread",
    "loop_restart": "restart",
    "loop_restart_on": "restart",
}


# Nodes are alike in most: what is equal is one object, and written once.


@lru_cache(maxsize=1024)
def _backoff(backoff: Backoff) -> to.Backoff:
    initial_ms, factor, max_ms, jitter = backoff
    return {"initial_ms": initial_ms, "factor": factor, "max_ms": max_ms, "jitter": jitter}


@lru_cache(maxsize=1024)
def _timeouts(stage_ms: int, command_ms: int, default_ms: int, max_ms: int) -> to.Timeouts:
    return {
        "stage_ms": stage_ms,
        "command_ms": command_ms,
        "command_default_ms": default_ms,
        "command_max_ms": max_ms,
    }


@lru_cache(maxsize=1024)
def _llm_settings(chain: tuple[Model, ...], effort: str | None, tokens: int | None, turns: int) -> to.Llm:
    return {
        "chain": [{"provider": model.provider, "model": model.model} for model in chain],
        "reasoning_effort": effort,
        "max_tokens": tokens,
        "max_agent_turns": turns,
    }


@lru_cache(maxsize=1024)
def _words(words: tuple[str, ...]) -> list[str]:
    return list(words)


def _clauses(clauses: Iterable[Clause]) -> list[to.Clause]:
    return [
        (clause.key, clause.op, normalise_label(clause.literal) if clause.key == "preferred_label" else clause.literal)
        for clause in clauses
    ]


def lower_nodes(graph: Graph, children: Mapping[str, to.Plan], recorder: Recorder) -> list[to.AnyNode]:
    lowering = NodeLowering(graph, children, recorder)
    return [lowering.lower(node) for node in graph.nodes.values()]
