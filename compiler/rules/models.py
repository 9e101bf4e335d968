"""Rules about models: names that the catalogue does not have, settings that a model does not take."""

import re
from collections.abc import Iterator

from ..cascade import winning
from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..graph import Attribute, Graph, Level, LlmSettings
from ..providers import (
    KnownProvider,
    ModelNote,
    infer_provider,
    known_model,
    known_models,
    known_provider,
    model_notes,
)
from ..run_config import RunConfig
from ..source import Span
from ..suggest import closest
from .facts import listed
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "model_unknown",
        Severity.WARNING,
        "the provider is not known to have this model",
        "A misspelt model is refused by the vendor, after the setup has been paid for. "
        "A name that looks like no known one is only mentioned (info): it may be newer than the catalogue.",
    ),
    Rule(
        "model_deprecated",
        Severity.WARNING,
        "a stage asks for a model that its vendor has retired",
        "The vendor refuses the request: what worked when the pipeline was written fails now.",
        fix="unsafe",
    ),
    Rule(
        "model_backend_mismatch",
        Severity.ERROR,
        "a model cannot be asked in the way that run.yaml asks its provider",
        "Some models are served to the vendor's own agent only, and an agent serves its own vendor's models only.",
        config=True,
    ),
    Rule(
        "model_noncanonical",
        Severity.WARNING,
        "a model is spelt otherwise than its vendor spells it",
        "It is understood here, but prices, logs and other engines go by the vendor's spelling.",
        fix="safe",
    ),
    Rule(
        "model_param_range",
        Severity.WARNING,
        "a stage asks its model for what it cannot do",
        "The vendor refuses the request, or ignores the wish in silence.",
    ),
)

_DIGITS = r"[0-9]+"


def check_names(project: Project) -> Iterator[Diagnostic]:
    """model_unknown, model_noncanonical: one finding per place; a model that is only new is mentioned once."""
    mentioned: set[tuple[str, str]] = set()
    right: set[tuple[str, str, str]] = set()
    for node, attribute, settings in _declarations(project.graph):
        asked = (settings.provider.value, settings.model.value)
        if (*asked, attribute.text) in right:
            continue
        finds = list(_name(project.config, attribute, settings, node))
        if not finds:
            right.add((*asked, attribute.text))
        for found in finds:
            if found.severity is not Severity.INFO or asked not in mentioned:
                mentioned.add(asked)
                yield found


def _declarations(graph: Graph) -> Iterator[tuple[str, Attribute, LlmSettings]]:
    """Yield each place that names a model for some stage, with the first such stage and what it resolved to."""
    seen: set[tuple[Span, str]] = set()
    for node, settings in graph.llm.items():
        attribute = winning(graph, graph.nodes[node], "llm_model")
        if attribute is None or not attribute.text.strip():
            continue
        place = (attribute.value_span, settings.provider.value)
        if place not in seen:
            seen.add(place)
            yield node, attribute, settings


def _name(config: RunConfig | None, attribute: Attribute, settings: LlmSettings, node: str) -> Iterator[Diagnostic]:
    provider, model, written = settings.provider.value, settings.model.value, attribute.text.strip()
    if model and model != written:
        span = attribute.value.stripped().span()
        yield Diagnostic(
            "model_noncanonical",
            span,
            f'"{written}" is spelt "{model}" by {provider}',
            subject=node,
            fix=Fix(f'write "{model}"', (Edit(*_safely(attribute, span, model)),)),
        )
        return
    found = _mismatch(config, provider, model)
    if found:
        help_ = "use backend api in run.yaml, or a model that this way of asking has"
        yield Diagnostic("model_backend_mismatch", attribute.value_span, found, subject=node, help=help_)
        return
    known = known_provider(provider)
    if (
        known is None
        or not model
        or known_model(provider, model) is not None
        or not _is_vendors_own(config, known, model)
    ):
        return
    note = model_notes().get(model)
    if note is not None and note.provider == provider:
        if note.retired:
            yield _retired(attribute, model, note, node)
        return
    hint, severity = _why_unknown(provider, model)
    message = f'provider "{provider}" is not known to have a model "{model}"; {hint}'
    yield Diagnostic("model_unknown", attribute.value_span, message, severity, subject=node)


def _mismatch(config: RunConfig | None, provider: str, model: str) -> str:
    declared = None if config is None else config.providers.get(provider)
    if declared is None or known_provider(provider) is None:
        return ""
    note, owner = model_notes().get(model), infer_provider(model)
    if declared.backend == "cli" and owner not in {None, provider}:
        return f"\"{model}\" is {owner}'s, and {provider}'s own agent (backend cli) asks no other vendor"
    if declared.backend == "api" and note is not None and note.provider == provider and note.cli_only:
        return f'"{model}" is served to {provider}\'s own agent only; use backend: cli, or another model'
    return ""


def _retired(attribute: Attribute, model: str, note: ModelNote, node: str) -> Diagnostic:
    span = attribute.value.stripped().span()
    return Diagnostic(
        "model_deprecated",
        span,
        f'"{model}" is no longer served by {note.provider}; its successor is "{note.instead}"',
        subject=node,
        fix=Fix(f'write "{note.instead}"', (Edit(*_safely(attribute, span, note.instead)),), safe=False),
    )


def _why_unknown(provider: str, model: str) -> tuple[str, Severity]:
    mine = [each.id for each in known_models().values() if each.provider == provider]
    owner = infer_provider(model)
    near = [each for each in closest(model, mine) if re.findall(_DIGITS, each) == re.findall(_DIGITS, model)]
    if owner is not None and owner != provider:
        return f"it is {owner}'s", Severity.WARNING
    if near:
        return f"did you mean {listed(near[:2])}?", Severity.WARNING
    return "it may be newer than the catalogue", Severity.INFO


def _safely(attribute: Attribute, span: Span, text: str) -> tuple[Span, str]:
    """Return an edit that is quoted where the value was not: a bare `gpt-5.2` is no word to Graphviz."""
    bare = not attribute.quoted and attribute.level is not Level.STYLESHEET
    return (span, f'"{text}"') if bare and not text.isidentifier() else (span, text)


def _is_vendors_own(config: RunConfig | None, known: KnownProvider, model: str) -> bool:
    """Whether the catalogue speaks of this provider: not where run.yaml leads elsewhere, or names the model itself."""
    declared = None if config is None else config.providers.get(known.key)
    if declared is None:
        return True
    if model in (declared.models or ()) or model == declared.default_model or model in declared.prices:
        return False
    return declared.backend == "cli" or (declared.api is not None and declared.api.base_url == known.base_url)


def check_parameters(project: Project) -> Iterator[Diagnostic]:
    """model_param_range: one finding per place and model."""
    graph = project.graph
    seen: set[tuple[Span, str]] = set()
    for node, settings in graph.llm.items():
        model = known_model(settings.provider.value, settings.model.value)
        if model is None:
            continue
        effort, tokens = settings.reasoning_effort.value, settings.max_tokens.value
        wishes = {}
        if effort not in {None, "none"} and not model.reasoning:
            wishes["reasoning_effort"] = (
                f'model "{model.id}" does not take reasoning_effort; drop it, or ask another model'
            )
        if tokens is not None and tokens > model.max_output:
            wishes["max_tokens"] = (
                f'model "{model.id}" answers with at most {model.max_output} tokens, not {tokens}; lower max_tokens'
            )
        for key, message in wishes.items():
            attribute = winning(graph, graph.nodes[node], key)
            if attribute is not None and (attribute.value_span, model.id) not in seen:
                seen.add((attribute.value_span, model.id))
                yield Diagnostic("model_param_range", attribute.value_span, message, subject=node)


CHECKS: tuple[Check, ...] = (check_names, check_parameters)
