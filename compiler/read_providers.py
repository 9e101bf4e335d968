"""`llm.providers` of run.yaml -> declared providers, completed from the catalogue; failover lists checked."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from .diagnostics import Diagnostic, Edit, Fix, Related
from .providers import (
    KnownProvider,
    canonical_provider,
    default_model,
    known_models,
    known_protocols,
    known_provider,
    known_providers,
    suggest_provider,
)
from .run_config import Api, FailoverTarget, Price, Provider
from .source import Span
from .yaml_reader import pointer_part

Spans = dict[str, tuple[Span, Span]]
Values = Mapping[str, Any]

SCRIPTED_MODEL = "scripted"  # what a scripted provider's stages run on when nobody names a model
ROOT = "/llm/providers"
MAX_LISTED = 12  # in a message


def read_providers(declared: Values, written: Values, spans: Spans) -> tuple[dict[str, Provider], list[Diagnostic]]:
    """Return the providers by canonical key, in the order of run.yaml.

    Args:
        declared: `llm.providers` with its defaults.
        written: the same as the author wrote it.
        spans: JSON pointer -> places; a provider that is written under an alias gains those of its canonical key.
    """
    found: list[Diagnostic] = []
    names: dict[str, str] = {}  # canonical -> as written
    for name in declared:
        key = canonical_provider(name)
        if key in names:
            found.append(_duplicate(names[key], name, key, spans))
            continue
        names[key] = name
        if key != name:
            found.append(alias_used(name, key, spans[_pointer(name)][0], _pointer(name)))
    providers = {}
    for key, name in names.items():
        reader = _Reader(key, name, declared[name], written.get(name) or {}, spans)
        providers[key] = reader.provider()
        found += reader.found
    for key, name in names.items():
        targets, wrong = _failover(providers[key], declared[name].get("failover"), providers, spans)
        found += wrong
        providers[key] = providers[key]._replace(failover=targets)
        if key != name:
            _canonical_places(name, key, spans)
    return providers, found


def _pointer(name: str) -> str:
    return f"{ROOT}/{pointer_part(name)}"


def _duplicate(first: str, second: str, key: str, spans: Spans) -> Diagnostic:
    places = spans[_pointer(first)][0], spans[_pointer(second)][0]
    message = f'"{first}" and "{second}" are the same provider, "{key}"; keep one'
    related = (Related(places[0], f'"{first}" declared here'),)
    return Diagnostic("run_duplicate_provider", places[1], message, subject=_pointer(second), related=related)


def alias_used(name: str, key: str, span: Span, pointer: str) -> Diagnostic:
    """Return the info that a provider is called by an alias, at `span`, where nothing but the alias stands."""
    fix = Fix(f'write "{key}"', (Edit(span, key),)) if span.text.strip("\"'") == name else None
    return Diagnostic("provider_alias", span, f'"{name}" is an alias of "{key}"', subject=pointer, fix=fix)


def _canonical_places(name: str, key: str, spans: Spans) -> None:
    """Enter the places of `name`'s values under its canonical key, too."""
    old, new = _pointer(name), _pointer(key)
    for pointer in [known for known in spans if known == old or known.startswith(f"{old}/")]:
        spans[new + pointer.removeprefix(old)] = spans[pointer]


class _Reader:
    """One provider: what is written, over what the catalogue knows."""

    def __init__(self, key: str, name: str, values: Values, written: Values, spans: Spans) -> None:
        self.key = key
        self.name = name
        self.values = values
        self.written = written
        self.spans = spans
        self.known: KnownProvider | None = known_provider(key)
        self.found: list[Diagnostic] = []

    def provider(self) -> Provider:
        values, backend = self.values, self.values["backend"]
        models = None if values["models"] is None else [model for model in values["models"] if isinstance(model, str)]
        self._unused(backend)
        return Provider(
            key=self.key,
            written=self.name,
            span=self._place("")[0],
            backend=backend,
            failover=None,
            default_model=self._default_model(backend, models),
            models=models,
            api=self._api() if backend == "api" else None,
            executable=self._executable() if backend == "cli" else "",
            script=values["script"] if backend == "scripted" else None,
            prices=self._prices(),
        )

    def _place(self, below: str) -> tuple[Span, Span]:
        pointer = _pointer(self.name)
        return self.spans.get(f"{pointer}/{below}" if below else pointer, self.spans[pointer])

    def _report(self, rule: str, span: Span, message: str, below: str, help_: str = "") -> None:
        subject = _pointer(self.name) + (f"/{below}" if below else "")
        self.found.append(Diagnostic(rule, span, message, subject=subject, help=help_))

    def _unused(self, backend: str) -> None:
        for key, only in (("api", "api"), ("script", "scripted")):
            if self.written.get(key) and backend != only:
                message = f'"{key}" is ignored: only backend {only} reads it, and "{self.name}" has backend {backend}'
                self._report("run_ignored_key", self._place(key)[0], message, key)

    def _default_model(self, backend: str, models: Sequence[str] | None) -> str | None:
        written: str | None = self.values["default_model"]
        if written is not None:
            return written
        built_in = default_model(self.key)
        if built_in is None and backend == "scripted":
            built_in = SCRIPTED_MODEL
        if models is None or built_in in models:
            return built_in
        return models[0] if len(models) == 1 else None

    def _executable(self) -> str:
        if self.known is not None and self.known.cli:
            return self.known.cli
        able = ", ".join(known.key for known in known_providers().values() if known.cli)
        message = f'provider "{self.key}" has no command line agent; those that have one: {able}'
        self._report("run_cli_contract", self._place("backend")[1], message, "backend", "write `backend: api`")
        return ""

    def _api(self) -> Api:
        values, known = self.values["api"], self.known
        protocol = values["protocol"] or (known.protocol if known is not None else None)
        if protocol is None:
            message = f'provider "{self.name}" is not built in: say which protocol it speaks, as api.protocol'
            near = suggest_provider(self.name)
            allowed = f"one of {', '.join(known_protocols())}"
            self._report("run_protocol_required", self._place("")[0], message, "", near or allowed)
            protocol = "openai_chat_completions"
        elif known is None and values["base_url"] is None:
            message = f'provider "{self.name}" is not built in: say where it is, as api.base_url'
            self._report("run_required", self._place("api")[0], message, "api")
        spoken = known_protocols()[protocol]
        same = known if known is not None and protocol == known.protocol else None
        return Api(
            protocol=protocol,
            base_url=_first(values["base_url"], known and known.base_url, ""),
            path=_first(values["path"], same and same.path, spoken.path),
            api_key_env=_first(values["api_key_env"], known and known.api_key_env, ""),
            headers={key: text for key, text in (values["headers"] or {}).items() if isinstance(text, str)},
            profile_family=_first(values["profile_family"], known and known.profile_family, spoken.profile_family),
            max_tokens_floor=int(_first(values["max_tokens_floor"], known and known.max_tokens_floor, 0)),
            force_stream=_first(values["force_stream"], known and known.force_stream, False),
            flags={**spoken.flags, **(same.flags if same is not None else {})},
        )

    def _prices(self) -> dict[str, Price]:
        prices = {
            model.id: Price(
                input=model.input, output=model.output, cache_read=model.cache_read, cache_write=model.cache_write
            )
            for model in known_models().values()
            if model.provider == self.key
        }
        for model, entry in (self.values["prices"] or {}).items():
            if isinstance(entry, dict) and "input" in entry and "output" in entry:
                prices[model] = Price(
                    input=float(entry["input"]),
                    output=float(entry["output"]),
                    cache_read=_float(entry.get("cache_read")),
                    cache_write=_float(entry.get("cache_write")),
                )
        return prices


def _first(*values: Any) -> Any:
    """Return the first value that is given; an empty text or a zero counts as given."""
    return next(value for value in values if value is not None)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _failover(
    provider: Provider, entries: Sequence[Any] | None, providers: Mapping[str, Provider], spans: Spans
) -> tuple[Sequence[FailoverTarget] | None, list[Diagnostic]]:
    """Return the usable targets of a `failover` list; wrong ones are reported and left out."""
    if entries is None:
        return None, []
    found: list[Diagnostic] = []
    targets: dict[str, FailoverTarget] = {}
    for target in _targets(provider, entries, spans):
        pointer = f"{_pointer(provider.written)}/failover"
        if target.written != target.provider:
            found.append(alias_used(target.written, target.provider, target.span, pointer))
        problem = _wrong_target(provider, target, targets, providers)
        if problem is None:
            targets[target.provider] = target
            continue
        rule, message, help_ = problem
        related: tuple[Related, ...] = ()
        if rule == "failover_duplicate":
            related = (Related(targets[target.provider].span, "first named here"),)
        found.append(Diagnostic(rule, target.span, message, subject=pointer, related=related, help=help_))
    return tuple(targets.values()), found


def _targets(provider: Provider, entries: Sequence[Any], spans: Spans) -> Iterator[FailoverTarget]:
    for index, entry in enumerate(entries):
        place = f"{_pointer(provider.written)}/failover/{index}"
        if isinstance(entry, dict) and isinstance(entry.get("provider"), str):
            place, name, model = f"{place}/provider", entry["provider"], entry.get("model")
        elif isinstance(entry, str):
            name, model = entry, None
        else:  # reported as a wrong type
            continue
        span = spans[place][1] if place in spans else provider.span
        yield FailoverTarget(canonical_provider(name), name, model, span)


def _wrong_target(
    provider: Provider, target: FailoverTarget, before: Mapping[str, FailoverTarget], providers: Mapping[str, Provider]
) -> tuple[str, str, str] | None:
    """Return what forbids `target`: rule, message, help."""
    name = target.written
    if target.provider == provider.key:
        return "failover_self", f'provider "{provider.key}" cannot fail over to itself', "remove the entry"
    if target.provider in before:
        return "failover_duplicate", f'"{name}" stands in this list already', "remove the entry"
    declared = providers.get(target.provider)
    if declared is None:
        if known_provider(target.provider) is not None:
            message = f'failover target "{name}" is not declared in run.yaml'
            return "failover_unknown", message, f"declare it under llm.providers: `{target.provider}: {{backend: api}}`"
        others = [key for key in islice(providers, MAX_LISTED) if key != provider.key]
        near = suggest_provider(name, others)
        return "failover_unknown", f'unknown provider "{name}"', near or f"declared here: {', '.join(others)}"
    model = target.model or declared.default_model
    if model is None:
        message = f'failover target "{name}" has no model'
        example = f"write {{provider: {name}, model: MODEL}}, or give {name} a default_model"
        return "failover_model_missing", message, example
    if target.model is not None and declared.models is not None and model not in declared.models:
        allowed = ", ".join(declared.models) or "none"
        return "model_not_allowed", f'"{name}" does not allow model "{model}"; its models: {allowed}', ""
    return None
