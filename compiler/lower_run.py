"""The parts of a plan that concern the run as a whole: workspace, limits, policy, providers, preflight."""

from collections.abc import Iterable, Mapping

from . import plan as to
from .attributes import origin_of
from .graph import Bounds, Graph, LlmSettings, Origin, Preflight, Probe
from .provenance import Recorder
from .providers import known_model, known_provider, model_flags
from .run_config import Api, Provider, RunConfig

Scripts = Mapping[str, Mapping[str, object]]
"""What the scenario files of scripted providers hold, by the provider's key."""


def lower_workspace(config: RunConfig) -> to.Workspace:
    workspace = config.workspace
    return {
        "repo": workspace.repo,
        "mode": workspace.mode,
        "branch_prefix": workspace.branch_prefix,
        "commit_per_node": workspace.commit_per_node,
        "require_clean": workspace.require_clean,
        "checkpoint_exclude": list(workspace.checkpoint_exclude),
        "push_remote": workspace.push_remote,
    }


def lower_limits(bounds: Bounds, config: RunConfig) -> to.Limits:
    limits = config.limits
    return {
        "max_llm_calls": limits.max_llm_calls,
        "max_total_tokens": limits.max_total_tokens,
        "max_cost_usd": limits.max_cost_usd,
        "max_wall_ms": limits.max_wall_ms,
        "max_restarts": bounds.max_restarts.value,
        "signature_limit": bounds.signature_limit.value,
    }


def lower_policy(bounds: Bounds, config: RunConfig) -> to.Policy:
    policy, backoff = config.policy, config.policy.llm_backoff
    return {
        "stall_timeout_ms": policy.stall_timeout_ms,
        "stall_check_interval_ms": policy.stall_check_interval_ms,
        "max_llm_retries": policy.max_llm_retries,
        "llm_backoff": {
            "base_ms": backoff.base_ms,
            "max_ms": backoff.max_ms,
            "factor": backoff.factor,
            "jitter": backoff.jitter,
        },
        "malformed_tool_call_limit": policy.malformed_tool_call_limit,
        "persist_keys": list(bounds.persist_keys.value),
    }


# Providers


def used_models(settings: Iterable[LlmSettings]) -> dict[str, set[str]]:
    """Return the models of all chains, by provider."""
    used: dict[str, set[str]] = {}
    for model in {model for each in settings for model in each.chain}:
        used.setdefault(model.provider, set()).add(model.model)
    return used


def lower_provider(provider: Provider, models: Iterable[str], scripts: Scripts) -> to.Provider:
    """Return a provider's part of the plan; `models` are those that the plan's chains ask of it."""
    return {
        "backend": provider.backend,
        "api": None if provider.api is None else _api(provider.key, provider.api, models),
        "executable": provider.executable,
        "script": scripts.get(provider.key),
        "prices": {
            model: {
                "input": price.input,
                "output": price.output,
                "cache_read": price.cache_read,
                "cache_write": price.cache_write,
            }
            for model, price in provider.prices.items()
        },
        "contexts": _contexts(provider, models),
        "failover": "implicit" if provider.failover is None else "listed" if provider.failover else "none",
    }


def _contexts(provider: Provider, models: Iterable[str]) -> dict[str, int]:
    """Return how many tokens the models take, of those that the catalogue knows."""
    if provider.api is None:
        return {}
    known = {model: known_model(provider.key, model) for model in sorted(models)}
    return {model: entry.context for model, entry in known.items() if entry is not None}


def _api(provider: str, api: Api, models: Iterable[str]) -> to.Api:
    differing = {model: dict(model_flags(provider, api.protocol, model)) for model in sorted(models)}
    return {
        "protocol": api.protocol,
        "base_url": api.base_url,
        "path": api.path,
        "api_key_env": api.api_key_env,
        "headers": dict(api.headers),
        "profile_family": api.profile_family,
        "max_tokens_floor": api.max_tokens_floor,
        "force_stream": api.force_stream,
        "flags": dict(sorted(api.flags.items())),
        "model_flags": {model: flags for model, flags in differing.items() if flags},
    }


# Preflight


def lower_preflight(preflight: Preflight, config: RunConfig, children: Iterable[to.Plan]) -> to.Preflight:
    """What must be there before anything is spent; a child pipeline's needs are its parent's."""
    probes = config.probes
    inherited = [child["preflight"] for child in children]
    return {
        "env": sorted({*preflight.env}.union(*(each["env"] for each in inherited))),
        "executables": sorted({*preflight.executables}.union(*(each["executables"] for each in inherited))),
        "probes": _unique([*map(_probe, preflight.probes), *(probe for each in inherited for probe in each["probes"])]),
        "timeout_ms": probes.timeout_ms,
        "retries": probes.retries,
        "base_delay_ms": probes.base_delay_ms,
        "max_delay_ms": probes.max_delay_ms,
    }


def _probe(probe: Probe) -> to.Probe:
    return {
        "provider": probe.provider,
        "model": probe.model,
        "mode": probe.mode,
        "transport": probe.transport,
        "reasoning_effort": probe.reasoning_effort,
        "required": probe.required,
    }


def _unique(probes: Iterable[to.Probe]) -> list[to.Probe]:
    unique = {
        (each["provider"], each["model"], each["mode"], each["transport"], each["reasoning_effort"] or ""): each
        for each in probes
    }
    return [unique[key] for key in sorted(unique)]


# Provenance

_FROM_CONFIG = {
    "workspace": ("repo", "mode", "branch_prefix", "commit_per_node", "require_clean", "checkpoint_exclude",
                  "push_remote"),
    "setup": ("commands", "timeout_ms"),
    "limits": ("max_llm_calls", "max_total_tokens", "max_cost_usd", "max_wall_ms"),
    "human": ("mode",),
    "env": ("pass",),
}  # fmt: skip
_POLICY = ("stall_timeout_ms", "stall_check_interval_ms", "max_llm_retries", "malformed_tool_call_limit")
_PROVIDER = ("backend", "failover", "executable", "script")
_API = ("protocol", "base_url", "path", "api_key_env", "headers", "profile_family", "max_tokens_floor", "force_stream",
        "flags", "model_flags")  # fmt: skip


def record_run(graph: Graph, config: RunConfig, providers: Iterable[str], recorder: Recorder) -> None:
    """Enter where the values of the run as a whole came from."""
    goal = graph.attributes.get("goal")
    if config.goal is not None:
        recorder.note("", "goal", config.origin("/goal"))
    elif goal is not None:
        recorder.note("", "goal", origin_of(goal, "graph"))
    for part, keys in _FROM_CONFIG.items():
        for key in keys:
            recorder.note("", f"{part}.{key}", config.origin(f"/{part}/{key}"))
    for key in _POLICY:
        recorder.note("", f"policy.{key}", config.origin(f"/runtime_policy/{key}"))
    for key in ("base_ms", "max_ms", "factor", "jitter"):
        recorder.note("", f"policy.llm_backoff.{key}", config.origin(f"/runtime_policy/llm_backoff/{key}"))
    for key in ("timeout_ms", "retries", "base_delay_ms", "max_delay_ms"):
        recorder.note("", f"preflight.{key}", config.origin(f"/preflight/prompt_probes/{key}"))
    for name in config.inputs:
        recorder.note("", f"inputs.{name}", config.origin(f"/inputs/{name}"))
    if "label" in graph.attributes:
        recorder.note("", "label", origin_of(graph.attributes["label"], "graph"))
    if graph.bounds is not None:
        recorder.note("", "limits.max_restarts", graph.bounds.max_restarts.origin)
        recorder.note("", "limits.signature_limit", graph.bounds.signature_limit.origin)
        recorder.note("", "policy.persist_keys", graph.bounds.persist_keys.origin)
    for name in providers:
        _record_provider(config.providers[name], config, recorder)


def _record_provider(provider: Provider, config: RunConfig, recorder: Recorder) -> None:
    base, name = f"/llm/providers/{provider.written}", f"providers.{provider.key}"
    for key in _PROVIDER:
        recorder.note("", f"{name}.{key}", config.origin(f"{base}/{key}"))
    known = known_provider(provider.key) is not None
    vendor = Origin("catalogue", None, provider.key) if known else Origin("built-in")
    for key in _API if provider.api is not None else ():
        origin = config.origin(f"{base}/api/{key}")
        recorder.note("", f"{name}.api.{key}", vendor if origin.source == "built-in" else origin)
    if provider.api is not None:
        recorder.note("", f"{name}.contexts", Origin("catalogue", None, provider.key))
    for model in provider.prices:
        origin = config.origin(f"{base}/prices/{model}")
        recorder.note("", f"{name}.prices.{model}", vendor if origin.source == "built-in" else origin)
