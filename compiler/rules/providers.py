"""Rules about the providers and models that stages ask, and the run.yaml that declares them."""

from collections.abc import Iterator, Sequence

from ..cascade import winning
from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Graph, LlmSettings, Sourced
from ..providers import builtin_failover, canonical_model, known_model, known_provider
from ..run_config import Provider, RunConfig
from ..source import Span
from ..suggest import did_you_mean
from .facts import listed
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "model_unresolved",
        Severity.ERROR,
        "an LLM stage has no provider or no model",
        "Neither the node, the stylesheet nor run.yaml says which model to ask, and the catalogue cannot tell. "
        "To guess a vendor would send the work, and the bill, to whoever is first in a list.",
        spec=True,
        config=True,
    ),
    Rule(
        "provider_not_configured",
        Severity.ERROR,
        "a stage asks a provider that run.yaml does not declare",
        "A run reaches only vendors that its run.yaml names. Without an entry there is no key, no address, "
        "and no say in what happens when it fails.",
        spec=True,
        config=True,
    ),
    Rule(
        "provider_unused",
        Severity.INFO,
        "a declared provider is asked by no stage, and is in no failover list that counts",
        "Perhaps the stylesheet names another one than was meant.",
        config=True,
    ),
    Rule(
        "model_not_allowed",
        Severity.ERROR,
        "a stage, or a failover, uses a model that is not on the provider's list in run.yaml",
        "`models` is there to keep other models, and their prices, out.",
        spec=True,
        config=True,
    ),
    Rule(
        "failover_implicit",
        Severity.INFO,
        "run.yaml leaves failover open, and the built-in chain holds",
        "It is the one place where a vendor may be chosen that nobody wrote down. "
        "Write `failover: [..]` for a chain of your own, or `failover: []` for none.",
        config=True,
    ),
    Rule(
        "failover_unusable",
        Severity.WARNING,
        "a failover crosses between an API and a vendor's own agent",
        "A conversation cannot be handed from one to the other in the middle of a stage, so the entry never helps.",
        config=True,
    ),
    Rule(
        "failover_model_capability",
        Severity.WARNING,
        "a failover's model cannot do what the stage asks of its first model",
        "The stage would go on with less thinking or shorter answers than it was written for, "
        "or be refused on the day when the failover is needed.",
        config=True,
    ),
    Rule(
        "cost_limit_without_price",
        Severity.ERROR,
        "limits.max_cost_usd is set, but a model that may be asked has no price",
        "A limit that cannot count is none. Name the price under the provider's `prices`.",
        spec=True,
        config=True,
    ),
)


def check_providers(project: Project) -> Iterator[Diagnostic]:
    """model_unresolved, provider_not_configured, model_not_allowed: one finding per place that decided."""
    graph, config = project.graph, project.config
    if config is None:
        return
    seen: set[tuple[Span, str]] = set()
    for node, settings in graph.llm.items():
        for found in _choice(graph, config, node, settings):
            if (found.span, found.message) not in seen:
                seen.add((found.span, found.message))
                yield found


def _choice(graph: Graph, config: RunConfig, node: str, settings: LlmSettings) -> Iterator[Diagnostic]:
    key, model = settings.provider.value, settings.model.value
    if not key or not model:
        yield _unresolved(graph, node, settings)
        return
    place = place_of(graph, node, "llm_provider", settings.provider)
    provider = config.providers.get(key)
    if provider is None:
        if settings.provider.origin.source not in {"run.yaml", "command line"}:  # reported there, by the reader
            yield _not_configured(config, key, place, node)
        return
    if provider.models is not None and model not in provider.models:
        place = place_of(graph, node, "llm_model", settings.model)
        yield _not_allowed(config, provider, model, place, node)
    for entry in settings.chain[1:]:
        target = config.providers.get(entry.provider)
        if target is not None and target.models is not None and entry.model not in target.models:
            yield _not_allowed(config, target, entry.model, _failover_span(provider, entry.provider), node)


def place_of(graph: Graph, node: str, key: str, found: Sourced[str]) -> Span:
    """Return where the value that holds for `node` is written; the node itself when it was derived."""
    attribute = winning(graph, graph.nodes[node], key)
    if attribute is not None and attribute.text:
        return attribute.value_span
    return found.origin.span or graph.nodes[node].span


def _unresolved(graph: Graph, node: str, settings: LlmSettings) -> Diagnostic:
    key, model = settings.provider.value, settings.model.value
    if key:
        what, place = f'no model for provider "{key}"', place_of(graph, node, "llm_provider", settings.provider)
        help_ = "set llm_model on the node or in model_stylesheet, or default_model under the provider in run.yaml"
    elif model:
        what, place = f'no provider for model "{model}"', place_of(graph, node, "llm_model", settings.model)
        help_ = "set llm_provider on the node or in model_stylesheet, or llm.defaults.provider in run.yaml"
    else:
        what, place = "neither a provider nor a model", graph.nodes[node].span
        help_ = "set llm_provider and llm_model on the node or in model_stylesheet, or llm.defaults in run.yaml"
    return Diagnostic("model_unresolved", place, f'stage "{node}" has {what}', subject=node, help=help_)


def _not_configured(config: RunConfig, key: str, place: Span, node: str) -> Diagnostic:
    names = [provider.written for provider in config.providers.values()]
    hint = did_you_mean(key, names)
    if not hint:
        hint = f"it declares {listed(names, 'and')}" if 0 < len(names) <= 5 else "declare it under llm.providers"
    return Diagnostic(
        "provider_not_configured",
        place,
        f'provider "{key}" is not declared in {config.source.path}; {hint}',
        subject=node,
        related=(Related(config.key_span("/llm/providers"), "providers are declared here"),),
    )


def _not_allowed(config: RunConfig, provider: Provider, model: str, place: Span, node: str) -> Diagnostic:
    allowed = provider.models or ()
    hint = did_you_mean(model, allowed) or (f"allowed: {', '.join(allowed)}" if allowed else "the list is empty")
    return Diagnostic(
        "model_not_allowed",
        place,
        f'model "{model}" is not on the list of provider "{provider.written}"; {hint}',
        subject=node,
        related=(Related(config.key_span(_pointer(provider, "models")), "the list"),),
    )


def _failover_span(provider: Provider, target: str) -> Span:
    """Return where `target` stands in the provider's list, or the provider when the chain is built in."""
    for entry in provider.failover or ():
        if entry.provider == target:
            return entry.span
    return provider.span


def _pointer(provider: Provider, key: str) -> str:
    written = provider.written.replace("~", "~0").replace("/", "~1")
    return f"/llm/providers/{written}/{key}"


def _primaries(project: Project) -> dict[str, list[LlmSettings]]:
    """Return the settings of all LLM stages by the provider that they ask first."""
    found: dict[str, list[LlmSettings]] = {}
    for settings in project.graph.llm.values():
        found.setdefault(settings.provider.value, []).append(settings)
    return found


def check_failover(project: Project) -> Iterator[Diagnostic]:
    """provider_unused, failover_implicit, failover_unusable, failover_model_capability."""
    config = project.config
    if config is None:
        return
    primaries = _primaries(project)
    used = set(primaries)
    for key, stages in primaries.items():
        provider = config.providers.get(key)
        if provider is None:
            continue
        chains = dict.fromkeys(entry for settings in stages for entry in settings.chain[1:])
        used.update(entry.provider for entry in chains)
        yield from _implicit(config, provider)
        for target in dict.fromkeys(entry.provider for entry in chains):
            yield from _unusable(provider, config.providers.get(target))
        yield from _capability(provider, stages)
    if project.graph.llm:
        for key, provider in config.providers.items():
            if key not in used:
                message = f'no stage asks provider "{provider.written}", and no failover leads to it'
                help_ = "drop it, or name it as llm_provider or in a failover list"
                yield Diagnostic("provider_unused", provider.span, message, subject=provider.written, help=help_)


def _implicit(config: RunConfig, provider: Provider) -> Iterator[Diagnostic]:
    known = known_provider(provider.key)
    if provider.failover is not None or known is None or not known.failover or provider.backend == "scripted":
        return
    chain = builtin_failover(provider.key, config.providers)
    undeclared = [target for target in known.failover if target not in chain]
    what = f"to {', '.join(chain)}" if chain else f"to nobody: {listed(undeclared, 'and')} is not declared here"
    yield Diagnostic(
        "failover_implicit",
        config.key_span(_pointer(provider, "failover")),
        f'failover of provider "{provider.written}" is left open; its built-in chain leads {what}',
        subject=provider.written,
        help=f"write failover: [{', '.join(chain)}] to say so" if chain else "write failover: [] to say so",
    )


def _unusable(provider: Provider, target: Provider | None) -> Iterator[Diagnostic]:
    if target is None or target.backend == provider.backend or "cli" not in {target.backend, provider.backend}:
        return
    yield Diagnostic(
        "failover_unusable",
        _failover_span(provider, target.key),
        f'provider "{provider.written}" (backend {provider.backend}) cannot fail over to "{target.written}" '
        f"(backend {target.backend}); a conversation cannot be handed over",
        subject=provider.written,
        help="name a provider of the same backend, or none: failover: []",
    )


def _capability(provider: Provider, stages: Sequence[LlmSettings]) -> Iterator[Diagnostic]:
    missing: dict[tuple[str, str, str], None] = {}
    for settings in stages:
        first = known_model(provider.key, settings.model.value)
        for entry in settings.chain[1:]:
            model = known_model(entry.provider, entry.model)
            if model is None:
                continue
            effort, tokens = settings.reasoning_effort.value, settings.max_tokens.value
            if effort not in {None, "none"} and not model.reasoning and (first is None or first.reasoning):
                missing[entry.provider, entry.model, f"does not take reasoning_effort, and stages ask for {effort}"] = (
                    None
                )
            if tokens is not None and tokens > model.max_output and (first is None or tokens <= first.max_output):
                short = f"answers with at most {model.max_output} tokens, and stages ask for {tokens}"
                missing[entry.provider, entry.model, short] = None
    for target, name, what in missing:
        yield Diagnostic(
            "failover_model_capability",
            _failover_span(provider, target),
            f'model "{name}" of failover "{target}" {what}',
            subject=provider.written,
            help=f"name another model, as {{provider: {target}, model: MODEL}}, or ask for less",
        )


def check_prices(project: Project) -> Iterator[Diagnostic]:
    """cost_limit_without_price: one finding per model."""
    config = project.config
    if config is None or config.limits.max_cost_usd is None:
        return
    chains = dict.fromkeys(entry for settings in project.graph.llm.values() for entry in settings.chain)
    for entry in chains:
        provider = config.providers.get(entry.provider)
        if provider is None or provider.backend == "scripted" or not entry.model:
            continue
        if not {entry.model, canonical_model(entry.provider, entry.model)} & provider.prices.keys():
            yield Diagnostic(
                "cost_limit_without_price",
                config.value_span("/limits/max_cost_usd"),
                f'model "{entry.model}" of provider "{provider.written}" has no price, so max_cost_usd cannot count it',
                subject=entry.model,
                related=(Related(provider.span, "its price belongs here"),),
                help=f"write prices: {{{entry.model}: {{input: USD, output: USD}}}} under the provider",
            )


CHECKS: tuple[Check, ...] = (check_providers, check_failover, check_prices)
