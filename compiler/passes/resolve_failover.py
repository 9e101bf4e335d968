"""Set each LLM node's finished chain: the provider and model to ask, then its failover targets, in order."""

from ..graph import Graph, LlmSettings, Model, Origin
from ..providers import builtin_failover, canonical_model
from ..run_config import Provider, RunConfig


def run(graph: Graph, config: RunConfig | None) -> Graph:
    targets = {key: targets_of(provider, config) for key, provider in config.providers.items()} if config else {}
    origins = {key: _origin(provider, config) for key, provider in config.providers.items()} if config else {}
    llm = {node: _with_chain(settings, targets, origins) for node, settings in graph.llm.items()}
    return graph._replace(llm=llm)


def targets_of(provider: Provider, config: RunConfig) -> tuple[Model, ...]:
    """Return where requests to `provider` may go when it fails.

    Undeclared targets, the provider itself, repetitions and targets without a model are left out: a rule reports them.
    """
    if provider.failover is None:
        wanted: list[tuple[str, str | None]] = [(key, None) for key in builtin_failover(provider.key, config.providers)]
    else:
        wanted = [(target.provider, target.model) for target in provider.failover]
    found = []
    for key, model in wanted:
        declared = config.providers.get(key)
        if declared is None or key == provider.key:
            continue
        chosen = model or declared.default_model
        if chosen:
            found.append(Model(key, canonical_model(key, chosen)))
    return tuple(dict.fromkeys(found))


def _origin(provider: Provider, config: RunConfig) -> Origin:
    if provider.failover is None:
        return Origin("built-in", None, f"failover of {provider.written}, cut down to the providers of run.yaml")
    return config.origin(f"/llm/providers/{_escaped(provider.written)}/failover")


def _escaped(key: str) -> str:
    """Return `key` as a JSON pointer has it."""
    return key.replace("~", "~0").replace("/", "~1")


def _with_chain(
    settings: LlmSettings, targets: dict[str, tuple[Model, ...]], origins: dict[str, Origin]
) -> LlmSettings:
    first = Model(settings.provider.value, settings.model.value)
    if not first.provider or not first.model:
        return settings
    chain = (first, *targets.get(first.provider, ()))
    return settings._replace(chain=chain, chain_origin=origins.get(first.provider, settings.chain_origin))
