"""run.yaml -> `RunConfig`, with everything that is wrong in it, in one go.

What is wrong is left out, so that its default counts and later rules have something to look at. All defaults come from
`schemas/run.schema.json`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .diagnostics import Diagnostic, Edit, Fix, Severity
from .old_keys import ignored_keys, moved_keys
from .overrides import apply_overrides
from .providers import canonical_provider, suggest_provider
from .read_providers import alias_used, read_providers
from .run_config import Limits, LlmBackoff, PromptProbes, Provider, RunConfig, RuntimePolicy, Workspace
from .schema import Path, complaints, load_schema, with_defaults
from .secret_literals import masked, secret_literals
from .source import Source, Span
from .yaml_reader import Document, read_yaml

Spans = dict[str, tuple[Span, Span]]

VERSION = 1


def read_run_config(source: Source, overrides: Sequence[str] = ()) -> tuple[RunConfig, list[Diagnostic]]:
    """Return what `source` says, completed, and all its errors.

    Args:
        overrides: the arguments of `--set`, each `KEY=VALUE` with a dotted KEY.
    """
    document, found = read_yaml(source)
    values, spans, misshapen = _mapping(source, document)
    found += misshapen
    origins, wrong = apply_overrides(values, spans, overrides)
    found += wrong
    secrets = list(secret_literals(values, spans))
    rejected = complaints("run", values, spans, "run")
    said = {secret.subject for secret in secrets}
    found += [
        each for each in map(_as_shown, _told(rejected, document.whole and not misshapen)) if each.subject not in said
    ]
    _prune(values, [path for _, path in rejected])
    found += ignored_keys(values, spans)
    found += moved_keys(values, spans, origins)
    schema = load_schema("run")
    full = with_defaults(schema, values, schema)
    written = (values.get("llm") or {}).get("providers") or {}
    providers, wrong = read_providers(full["llm"]["providers"], written, spans)
    found += wrong
    config = _config(source, spans, origins, full, providers, document.whole)
    found += _checks(config, values)
    return config, masked([*found, *secrets], secrets)


def _mapping(source: Source, document: Document) -> tuple[dict[str, Any], Spans, list[Diagnostic]]:
    """Return the values of the file, which must be a mapping."""
    values, spans = document.values, document.spans
    start = source.span(0, 0)
    found = []
    if not isinstance(values, dict):
        if values is not None:
            found = [Diagnostic("run_type", spans[""][1], "run.yaml must be a mapping: lines of the form `key: value`")]
        values, spans = {}, {}
    elif stranger := _stranger(values):
        key, message = stranger
        found = [Diagnostic("run_type", spans[f"/{key}"][0], message)]
        values, spans = {}, {}
    spans[""] = (_first_key(spans) or start, spans[""][1] if "" in spans else start)
    return values, spans, found


def _stranger(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what file this is, if it is another one of ours, and the key that tells."""
    telling = {
        "plan_version": "this is a plan, not a run.yaml; `attractor exec PLAN` runs it",
        "nodes": "this is a scenario, not a run.yaml; `attractor run RUN.yaml --simulate=SCENARIO` plays it",
        "answers": "this is a scenario of `attractor simulate-provider --scenario FILE`, not a run.yaml",
    }
    if values.keys() & {"graph", "llm"}:
        return None
    return next(((key, message) for key, message in telling.items() if key in values), None)


def _first_key(spans: Spans) -> Span | None:
    return min((key for pointer, (key, _) in spans.items() if pointer), key=lambda key: key.start, default=None)


def _told(rejected: Sequence[tuple[Diagnostic, Path]], whole: bool) -> Iterator[Diagnostic]:
    """Leave out what only seems to be missing because a part of the file could not be read."""
    return (found for found, _ in rejected if whole or found.rule != "run_required")


def _as_shown(found: Diagnostic) -> Diagnostic:
    """Return a complaint about the schema under the rule and in the words that fit the key."""
    if found.subject == "/version":
        message = f'"version" must be {VERSION}, the one version of this format'
        fix = Fix(f"write {VERSION}", (Edit(found.span, str(VERSION)),), safe=False)
        return found._replace(rule="run_version", message=message, fix=fix)
    if found.rule == "run_required" and found.subject == "":
        text = found.span.source.text
        at = found.span.start
        fixable = at == 0 or text[at - 1] in "\n\ufeff"
        edit = Edit(found.span.source.span(at, at), f"version: {VERSION}\n")
        return found._replace(
            message=f'"version" is missing; write `version: {VERSION}`',
            fix=Fix(f"write `version: {VERSION}`", (edit,)) if fixable and not text[at:].startswith("{") else None,
        )
    if found.rule == "run_form":
        rule = "run_secret_literal" if found.subject.endswith("/api_key_env") else "run_type"
        return found._replace(rule=rule)
    return found


def _prune(values: Any, paths: Iterable[Path]) -> None:
    """Take what was rejected out of `values`; an item of a list becomes None, so that the others keep their place."""
    for path in paths:
        holder = values
        for part in path[:-1]:
            if isinstance(holder, list):
                holder = holder[int(part)]
            else:
                holder = holder.get(part) if isinstance(holder, dict) else None
        last = path[-1] if path else None
        if isinstance(holder, dict):
            holder.pop(last, None)
        elif isinstance(holder, list) and isinstance(last, int):
            holder[last] = None


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(text for text in values or () if isinstance(text, str))


def _config(
    source: Source, spans: Spans, origins: Mapping[str, str], full: Mapping[str, Any],
    providers: Mapping[str, Provider], whole: bool,
) -> RunConfig:  # fmt: skip
    workspace, policy, backoff = full["workspace"], full["runtime_policy"], full["runtime_policy"]["llm_backoff"]
    defaults, probes, limits = full["llm"]["defaults"], full["preflight"]["prompt_probes"], full["limits"]
    integers = {key: int(value) for key, value in policy.items() if key != "llm_backoff"}
    probe_integers = {key: int(probes[key]) for key in ("timeout_ms", "retries", "base_delay_ms", "max_delay_ms")}
    transports = _texts(probes["transports"])
    cost = limits["max_cost_usd"]
    return RunConfig(
        source=source,
        spans=spans,
        overrides=origins,
        graph=full["graph"],
        goal=full["goal"],
        inputs=full["inputs"],
        workspace=Workspace(**{**workspace, "checkpoint_exclude": _texts(workspace["checkpoint_exclude"])}),
        setup_commands=_texts(full["setup"]["commands"]),
        setup_timeout_ms=int(full["setup"]["timeout_ms"]),
        default_provider=None if defaults["provider"] is None else canonical_provider(defaults["provider"]),
        default_model=defaults["model"],
        providers=providers,
        policy=RuntimePolicy(
            **integers,
            llm_backoff=LlmBackoff(
                base_ms=int(backoff["base_ms"]),
                max_ms=int(backoff["max_ms"]),
                factor=float(backoff["factor"]),
                jitter=backoff["jitter"],
            ),
        ),
        limits=Limits(
            **{key: None if value is None else int(value) for key, value in limits.items() if key != "max_cost_usd"},
            max_cost_usd=None if cost is None else float(cost),
        ),
        probes=PromptProbes(
            enabled=probes["enabled"],
            transports=transports,
            transports_named="/preflight/prompt_probes/transports" in spans,
            **probe_integers,
        ),
        human_mode=full["human"]["mode"],
        env_pass=_texts(full["env"]["pass"]),
        whole=whole,
    )


def _checks(config: RunConfig, values: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Yield what no schema can say: values against each other, paths, the default provider."""
    yield from _orders(config)
    yield from _paths(config)
    if config.default_provider is not None:
        yield from _default_provider(config, config.default_provider, str(values["llm"]["defaults"]["provider"]))


def _default_provider(config: RunConfig, key: str, written: str) -> Iterator[Diagnostic]:
    pointer = "/llm/defaults/provider"
    if key not in config.providers and config.whole:
        message = f'default provider "{written}" is not declared under llm.providers'
        known = f"declared: {', '.join(config.providers)}" if config.providers else ""
        help_ = suggest_provider(written, list(config.providers)) or known
        yield Diagnostic("provider_not_configured", config.value_span(pointer), message, subject=pointer, help=help_)
    elif key != written:
        yield alias_used(written, key, config.value_span(pointer), pointer)


def _orders(config: RunConfig) -> Iterator[Diagnostic]:
    """Yield pairs of numbers that contradict each other."""
    policy, backoff, probes = config.policy, config.policy.llm_backoff, config.probes
    longest = "must not be shorter than the first wait"
    if backoff.max_ms < backoff.base_ms:
        yield _pair(config, "run_range", "/runtime_policy/llm_backoff", "max_ms", "base_ms",
                    f'"max_ms" {longest}: {backoff.max_ms} < {backoff.base_ms}')  # fmt: skip
    if probes.max_delay_ms < probes.base_delay_ms:
        yield _pair(config, "run_range", "/preflight/prompt_probes", "max_delay_ms", "base_delay_ms",
                    f'"max_delay_ms" {longest}: {probes.max_delay_ms} < {probes.base_delay_ms}')  # fmt: skip
    if policy.stall_timeout_ms > 0 and policy.stall_check_interval_ms == 0:
        yield _pair(config, "run_range", "/runtime_policy", "stall_check_interval_ms", "stall_timeout_ms",
                    '"stall_check_interval_ms" must be above 0 while stall_timeout_ms is; write stall_timeout_ms: 0 to '
                    "switch the watchdog off")  # fmt: skip
    default, most = policy.default_command_timeout_ms, policy.max_command_timeout_ms
    if default > most:
        yield _pair(config, "timeout_default_above_max", "/runtime_policy", "max_command_timeout_ms",
                    "default_command_timeout_ms",
                    f'"default_command_timeout_ms" is above "max_command_timeout_ms", {default} > {most}; '
                    "lower the one, or raise the other")  # fmt: skip


def _pair(config: RunConfig, rule: str, parent: str, key: str, other: str, message: str) -> Diagnostic:
    """Report at `key`, or at `other` when only that is written."""
    pointer = f"{parent}/{key}" if f"{parent}/{key}" in config.spans else f"{parent}/{other}"
    missing = [name for name in (key, other) if f"{parent}/{name}" not in config.spans]
    help_ = f"{missing[0]} is not given, so its default counts" if missing else ""
    return Diagnostic(rule, config.value_span(pointer), message, subject=pointer, help=help_)


def _paths(config: RunConfig) -> Iterator[Diagnostic]:
    """Yield paths that hold on one machine only."""
    scripts = [
        (f"/llm/providers/{provider.written}/script", provider.script, None) for provider in config.providers.values()
    ]
    repo = config.workspace.repo
    for pointer, path, severity in [
        ("/graph", config.graph, None),
        ("/workspace/repo", repo, Severity.WARNING),
        *scripts,
    ]:
        if path is None:
            continue
        name = pointer.rpartition("/")[2]
        if path.startswith(("/", "~")) or path[1:3] in {":\\", ":/"}:
            message = f'"{name}" must be relative to the folder of run.yaml: an absolute path holds on one machine only'
        elif "\\" in path:
            message = f'"{name}" must be written with forward slashes'
        else:
            continue
        yield Diagnostic("run_path_relative", config.value_span(pointer), message, severity, subject=pointer)
