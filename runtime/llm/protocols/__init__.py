"""One protocol per file: `encode` a request to HTTP, `decode` server-sent events to stream events; no I/O."""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from ..wire import WireProtocol

PROTOCOLS: Mapping[str, str] = {
    "anthropic_messages": ".anthropic_messages",
    "google_generate_content": ".google_generate_content",
    "openai_chat_completions": ".openai_chat_completions",
    "openai_responses": ".openai_responses",
}


def protocol(name: str) -> WireProtocol:
    """Return the module that speaks `name`, a word of the plan; only the protocols in use are loaded."""
    return cast(WireProtocol, import_module(PROTOCOLS[name], __package__))
