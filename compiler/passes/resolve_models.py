"""Set what each LLM node asks: provider, model, effort, bounds, mode. The chain is resolve_failover's."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..attributes import Value, read_list, specs
from ..cascade import node_value, typed
from ..graph import Graph, Kind, LlmSettings, Node, Origin, Sourced
from ..providers import canonical_model, canonical_provider, default_model, infer_provider, known_model
from ..run_config import RunConfig

UNSET = Origin("built-in", None, "unset")
NO_EFFORT: Sourced[str | None] = Sourced(None, UNSET)
NO_BOUND: Sourced[int | None] = Sourced(None, UNSET)
_ATTRIBUTES = frozenset(
    {"llm_provider", "llm_model", "reasoning_effort", "max_tokens", "agent_mode", "max_agent_turns"}
)


def run(graph: Graph, config: RunConfig | None) -> Graph:
    resolve = _Resolver(graph, config)
    return graph._replace(llm={node.id: resolve.settings(node) for node in graph.nodes.values() if _asks(graph, node)})


def _asks(graph: Graph, node: Node) -> bool:
    """Return whether a node asks a model: agents do, joins with a prompt, managers that steer."""
    kind = graph.kinds.get(node.id)
    match None if kind is None else kind.value:
        case Kind.CODERGEN:
            return True
        case Kind.FAN_IN:
            return node.id in graph.prompts
        case Kind.MANAGER:
            return "steer" in (read_list(node.attributes, specs("node")["manager.actions"]) or ())
        case _:
            return False


class _Resolver:
    """Settles one node after another; nodes that say the same share the answer."""

    def __init__(self, graph: Graph, config: RunConfig | None) -> None:
        self.graph = graph
        self.config = config
        self.specs = specs("node")
        self.alike: dict[
            tuple[Kind, int], LlmSettings
        ] = {}  # of nodes that only the same style sets: all that share it
        self.candidates: dict[str, Sequence[str]] = {}
        self.asked: dict[tuple[str | None, str | None], tuple[Sourced[str], Sourced[str]]] = {}

    def settings(self, node: Node) -> LlmSettings:
        kind = self.graph.kinds[node.id].value
        if not _ATTRIBUTES.isdisjoint(node.attributes):
            return self._settled(self._written(node), kind)
        look = kind, id(self.graph.styled.get(node.id))
        if look not in self.alike:
            self.alike[look] = self._settled(self._written(node), kind)
        return self.alike[look]

    def _written(self, node: Node) -> Mapping[str, Sourced[Value]]:
        named = {*node.attributes, *self.graph.styled.get(node.id, ())} & _ATTRIBUTES
        found = {name: node_value(self.graph, node, self.specs[name]) for name in named}
        return {name: value for name, value in found.items() if value is not None}

    def _settled(self, written: Mapping[str, Sourced[Value]], kind: Kind) -> LlmSettings:
        provider, model = self._asked(typed(written.get("llm_provider"), str), typed(written.get("llm_model"), str))
        effort: Sourced[Any] | None = typed(written.get("reasoning_effort"), str)
        tokens: Sourced[Any] | None = typed(written.get("max_tokens"), int)
        return LlmSettings(
            provider=provider,
            model=model,
            chain=(),
            chain_origin=Origin("derived", None, "the node's own provider and model"),
            reasoning_effort=effort or NO_EFFORT,
            max_tokens=tokens or NO_BOUND,
            mode=self._mode(written, kind),
            max_agent_turns=typed(written.get("max_agent_turns"), int) or self._turns(),
        )

    def _mode(self, written: Mapping[str, Sourced[Value]], kind: Kind) -> Sourced[str]:
        if kind is not Kind.CODERGEN:
            return Sourced("one_shot", Origin("derived", None, f"a {kind.value} node makes one call"))
        default = str(specs("node")["agent_mode"].default)
        return typed(written.get("agent_mode"), str) or Sourced(default, Origin("built-in", None, "agent_mode"))

    def _turns(self) -> Sourced[int]:
        """Return run.yaml's bound; a graph alone has none (0)."""
        if self.config is None:
            return Sourced(0, UNSET)
        return Sourced(self.config.policy.max_agent_turns, self.config.origin("/runtime_policy/max_agent_turns"))

    # Provider and model: whichever is written decides about the other.

    def _asked(self, provider: Sourced[str] | None, model: Sourced[str] | None) -> tuple[Sourced[str], Sourced[str]]:
        """Return the two, each "" when it cannot be known. They follow from what is written, wherever it stands."""
        written = provider and provider.value, model and model.value
        if written not in self.asked:
            self.asked[written] = self._resolved(provider, model)
        found = self.asked[written]
        return (
            found[0] if provider is None else Sourced(found[0].value, provider.origin),
            found[1] if model is None else Sourced(found[1].value, model.origin),
        )

    def _resolved(self, provider: Sourced[str] | None, model: Sourced[str] | None) -> tuple[Sourced[str], Sourced[str]]:
        if provider is not None:
            provider = Sourced(canonical_provider(provider.value), provider.origin)
        elif model is not None:
            provider = self._provider_of(model.value)
        else:
            provider = self._default_provider() or self._provider_of(self._default_model().value)
        model = model or self._model_of(provider.value)
        return provider, Sourced(self._spelled(provider.value, model.value), model.origin)

    def _provider_of(self, model: str) -> Sourced[str]:
        """Return who has `model`: run.yaml's default if it may, else the only declared provider, else a known one."""
        owners = self._owners(model)
        default = self._default_provider()
        if default is not None and (default.value in owners or len(owners) != 1):
            return default
        owner = owners[0] if len(owners) == 1 else infer_provider(model) if model else None
        return Sourced(owner or "", Origin("catalogue", None, f"model {model}") if owner else UNSET)

    def _owners(self, model: str) -> Sequence[str]:
        """Return the declared providers that have `model`, by run.yaml or by the catalogue."""
        if self.config is None or not model:
            return ()
        if model not in self.candidates:
            self.candidates[model] = [
                key
                for key, provider in self.config.providers.items()
                if model in (provider.models or ())
                or model == provider.default_model
                or known_model(key, model) is not None
                or infer_provider(model) == key
            ]
        return self.candidates[model]

    def _default_provider(self) -> Sourced[str] | None:
        if self.config is None or not self.config.default_provider:
            return None
        return Sourced(self.config.default_provider, self.config.origin("/llm/defaults/provider"))

    def _default_model(self) -> Sourced[str]:
        if self.config is None or not self.config.default_model:
            return Sourced("", UNSET)
        return Sourced(self.config.default_model, self.config.origin("/llm/defaults/model"))

    def _model_of(self, provider: str) -> Sourced[str]:
        """Return the model to ask of `provider`: run.yaml's default where it is this provider's, else its own."""
        default = self._default_model()
        if default.value and self._provider_of_default() == provider:
            return default
        declared = None if self.config is None else self.config.providers.get(provider)
        if declared is not None and self.config is not None and declared.default_model:
            pointer = f"/llm/providers/{declared.written}/default_model"
            origin = self.config.origin(pointer)
            return Sourced(
                declared.default_model, Origin("catalogue", None, provider) if origin.source == "built-in" else origin
            )
        known = default_model(provider)
        return Sourced(known, Origin("catalogue", None, provider)) if known else Sourced("", UNSET)

    def _provider_of_default(self) -> str:
        default = self._default_provider()
        return default.value if default is not None else self._provider_of(self._default_model().value).value

    def _spelled(self, provider: str, model: str) -> str:
        """Return the provider's own spelling, unless run.yaml lists the model as it is written."""
        declared = None if self.config is None else self.config.providers.get(provider)
        if declared is not None and (model in (declared.models or ()) or model == declared.default_model):
            return model
        return canonical_model(provider, model)
