"""What is known about vendors and their models: look-ups into `catalog/`, which is data."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .suggest import did_you_mean

Flags = Mapping[str, str | int | float | bool | None]


class KnownProtocol(NamedTuple):
    """What is assumed of a server that speaks it, for providers that the catalogue does not have."""

    key: str
    path: str
    profile_family: str
    flags: Flags  # all that the protocol has


class KnownProvider(NamedTuple):
    """A built-in provider: everything that run.yaml need not say about it."""

    key: str
    aliases: Sequence[str]
    protocol: str
    base_url: str
    path: str
    api_key_env: str
    profile_family: str
    failover: Sequence[str]  # the built-in chain, not yet cut down to what run.yaml declares
    default_model: str  # "" = none: it serves whatever was installed
    prefixes: Sequence[str]  # model ids that begin so are its own
    cli: str  # the vendor's own agent; "" = there is none
    max_tokens_floor: int
    force_stream: bool
    flags: Flags  # where it differs from its protocol
    models: Mapping[str, Flags]  # where models differ from it, by the beginning of their ids


class KnownModel(NamedTuple):
    """Prices in USD per million tokens; None where the vendor lists none."""

    id: str
    provider: str
    input: float
    output: float
    cache_read: float | None
    cache_write: float | None
    context: int  # tokens
    max_output: int  # tokens
    reasoning: bool  # takes reasoning_effort


class ModelNote(NamedTuple):
    """What is wrong with a model that people still write."""

    provider: str
    retired: bool = False
    instead: str = ""  # its successor in the catalogue
    cli_only: bool = False  # served to the vendor's own agent, not over its API


def _load(name: str) -> dict[str, Any]:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "catalog", name), encoding="utf-8") as file:
        return {key: value for key, value in json.load(file).items() if key != "$comment"}


@lru_cache(maxsize=1)
def known_protocols() -> Mapping[str, KnownProtocol]:
    return {key: KnownProtocol(key=key, **entry) for key, entry in _load("protocols.json").items()}


@lru_cache(maxsize=1)
def known_providers() -> Mapping[str, KnownProvider]:
    """Return the built-in providers by canonical key."""
    optional = {
        "default_model": "",
        "prefixes": (),
        "cli": "",
        "max_tokens_floor": 0,
        "force_stream": False,
        "flags": {},
        "models": {},
    }
    return {key: KnownProvider(key=key, **{**optional, **entry}) for key, entry in _load("providers.json").items()}


@lru_cache(maxsize=1)
def known_models() -> Mapping[str, KnownModel]:
    """Return the models that the catalogue has, by canonical id."""
    optional = {"cache_read": None, "cache_write": None}
    return {key: KnownModel(id=key, **{**optional, **entry}) for key, entry in _load("models.json").items()}


@lru_cache(maxsize=1)
def model_notes() -> Mapping[str, ModelNote]:
    """Return what to know of models that the catalogue does not offer, by id."""
    return {key: ModelNote(**entry) for key, entry in _load("model_notes.json").items()}


@lru_cache(maxsize=1)
def _aliases() -> Mapping[str, str]:
    return {alias: known.key for known in known_providers().values() for alias in (known.key, *known.aliases)}


@lru_cache(maxsize=1)
def _spellings() -> Mapping[str, str]:
    return {_spelling(model): model for model in known_models()}


def _spelling(model: str) -> str:
    return model.lower().replace(".", "-").replace("_", "-")


def canonical_provider(written: str) -> str:
    """Return the key under which a provider is known: trimmed, lowercased, its alias resolved."""
    key = written.strip().lower()
    return _aliases().get(key, key)


def known_provider(key: str) -> KnownProvider | None:
    """Return what the catalogue knows of the provider with this canonical key."""
    return known_providers().get(key)


@lru_cache(maxsize=1024)
def known_model(provider: str, model: str) -> KnownModel | None:
    """Return what the catalogue knows of `model`, if it is this provider's."""
    found = known_models().get(canonical_model(provider, model))
    return found if found is not None and found.provider == provider else None


@lru_cache(maxsize=1024)
def canonical_model(provider: str, model: str) -> str:
    """Return the provider's own spelling of a model id: `claude-opus-4.6` is `claude-opus-4-6`; unknown ids stay."""
    known = _spellings().get(_spelling(model))
    return known if known is not None and known_models()[known].provider == provider else model


def default_model(provider: str) -> str | None:
    """Return the built-in default model of the provider with this canonical key."""
    known = known_providers().get(provider)
    return known.default_model or None if known is not None else None


def model_flags(provider: str, protocol: str, model: str) -> Flags:
    """Return where `model` differs from its provider; {} when that is not known, or it is asked in another protocol."""
    known = known_providers().get(provider)
    if known is None or known.protocol != protocol:
        return {}
    low = model.lower()
    return known.models.get(max((start for start in known.models if low.startswith(start)), key=len, default=""), {})


def builtin_failover(provider: str, declared: Collection[str]) -> tuple[str, ...]:
    """Return the built-in chain of `provider`, cut down to the `declared` providers (canonical keys)."""
    known = known_providers().get(provider)
    return tuple(target for target in known.failover if target in declared) if known is not None else ()


@lru_cache(maxsize=1024)
def infer_provider(model: str) -> str | None:
    """Return the one provider whose models begin like `model`; None when there is none, or no single one."""
    known = _spellings().get(_spelling(model))
    if known is not None:
        return known_models()[known].provider
    low = model.lower()
    owners = {entry.key for entry in known_providers().values() for prefix in entry.prefixes if low.startswith(prefix)}
    return owners.pop() if len(owners) == 1 else None


def suggest_provider(written: str, declared: Collection[str] = ()) -> str:
    """Return a did-you-mean for a provider key that is not known, or ""."""
    return did_you_mean(written.strip().lower(), [*declared, *_aliases()])
