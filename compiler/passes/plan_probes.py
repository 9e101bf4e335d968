"""List what preflight has to try before anything is spent: requests, environment variables, programs."""

from collections.abc import Iterator

from ..graph import Graph, Kind, LlmSettings, Preflight, Probe
from ..run_config import Provider, RunConfig


def run(graph: Graph, config: RunConfig | None) -> Graph:
    if config is None:
        return graph._replace(preflight=Preflight((), (), ()))
    probes = {probe for settings in set(_asked(graph)) for probe in _probes(settings, config)}
    used = [config.providers[key] for key in sorted(_used(graph)) if key in config.providers]
    return graph._replace(
        preflight=Preflight(
            probes=tuple(sorted(probes, key=_order)),
            env=tuple(sorted({provider.api.api_key_env for provider in used if provider.api} - {""})),
            executables=tuple(sorted({*_executables(used), *_shells(graph, used, config)})),
        ),
    )


def _asked(graph: Graph) -> Iterator[tuple[str, str, str, str | None]]:
    """Yield provider, model, mode and effort of every request that a node may make."""
    for settings in graph.llm.values():
        for provider, model in settings.chain:
            yield provider, model, settings.mode.value, settings.reasoning_effort.value


def _used(graph: Graph) -> set[str]:
    return {model.provider for settings in graph.llm.values() for model in settings.chain}


def _probes(asked: tuple[str, str, str, str | None], config: RunConfig) -> Iterator[Probe]:
    """Yield one probe per transport; a provider that is always streamed from has that one only, and it must work."""
    key, model, mode, effort = asked
    provider = config.providers.get(key)
    if provider is None or provider.api is None or provider.backend != "api" or not config.probes.enabled:
        return
    streams = provider.api.force_stream
    for transport in {"stream"} if streams else set(config.probes.transports):
        required = streams or config.probes.transports_named or transport != "stream"
        yield Probe(key, model, mode, transport, effort, required)


def _order(probe: Probe) -> tuple[str, str, str, str, str]:
    return probe.provider, probe.model, probe.mode, probe.transport, probe.reasoning_effort or ""


def _executables(used: list[Provider]) -> Iterator[str]:
    for provider in used:
        if provider.backend == "cli" and provider.executable:
            yield provider.executable


def _shells(graph: Graph, used: list[Provider], config: RunConfig) -> Iterator[str]:
    """Yield bash where commands are run: by tools, by agents, before the first node."""
    works_with_tools = any(provider.backend == "api" for provider in used) and any(
        _is_agent(settings) for settings in graph.llm.values()
    )
    if works_with_tools or config.setup_commands or any(kind.value is Kind.TOOL for kind in graph.kinds.values()):
        yield "bash"


def _is_agent(settings: LlmSettings) -> bool:
    return settings.mode.value == "agent_loop"
