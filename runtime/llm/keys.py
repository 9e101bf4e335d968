"""API keys: read by the names that the plan gives, and taken out of every text that leaves.

Vendors repeat keys in error messages, and a model can be made to repeat what it is sent: no text that came from outside
is passed on unread.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ..outcome import Json
from .errors import Configuration, LlmError
from .messages import Part, Response, Text, ToolCall
from .wire import Endpoint

HIDDEN: Final = "<key>"
_SHORTEST: Final = 6  # shorter ones are placeholders such as "none", and words of their own
_BEGINNING: Final = 12  # so much of a key is enough to hide what follows: messages are cut anywhere


class Keys:
    """The keys of the endpoints that a conversation may ask."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._secrets: dict[str, None] = {}  # each as it is, and as JSON writes it

    def check(self, endpoints: Sequence[Endpoint]) -> None:
        """Look up the keys of all `endpoints`, so that nothing is spent before the last of them is known to exist.

        Raises:
            Configuration: a variable is not set, or holds what no header can carry.
        """
        missing = [endpoint for endpoint in endpoints if endpoint.api.api_key_env and not self._read(endpoint)]
        if missing:
            names = ", ".join(f"{each.api.api_key_env} (provider {each.provider})" for each in missing)
            raise Configuration(f"no key: the environment does not have {names}", provider=missing[0].provider)
        for endpoint in endpoints:
            self.of(endpoint)

    def of(self, endpoint: Endpoint) -> str:
        """Return the endpoint's key, "" where it needs none. Raises Configuration."""
        key = self._read(endpoint)
        if not key.isascii() or not key.isprintable() or " " in key:
            message = f"the key in {endpoint.api.api_key_env} has characters that no header can carry"
            raise Configuration(message, provider=endpoint.provider)
        if len(key) >= _SHORTEST:
            self._secrets |= {key: None, json.dumps(key)[1:-1]: None}
        return key

    def _read(self, endpoint: Endpoint) -> str:
        name = endpoint.api.api_key_env
        return self._variables.get(name, "").strip() if name else ""

    def hide(self, text: str) -> str:
        """Return `text` without the keys, also where a key is cut off."""
        for secret in self._secrets:
            beginning = secret[:_BEGINNING]
            at = text.find(beginning)
            while at >= 0:
                end = at + len(beginning)
                while end < len(text) and end - at < len(secret) and text[end] == secret[end - at]:
                    end += 1
                text = text[:at] + HIDDEN + text[end:]
                at = text.find(beginning, at + len(HIDDEN))
        return text

    def hide_bytes(self, body: bytes) -> bytes:
        for secret in self._secrets:
            body = body.replace(secret.encode(), HIDDEN.encode())
        return body

    def cleaned(self, error: LlmError) -> LlmError:
        """Return `error` itself, its texts without keys."""
        error.message = self.hide(error.message)
        error.args = (error.message,)
        error.code, error.request_id = self.hide(error.code), self.hide(error.request_id)
        return error

    def cleaned_response(self, response: Response) -> Response:
        """Return `response` without keys in what is shown or done; what only its provider reads stays as it came."""
        hide = self.hide
        return replace(
            response,
            id=hide(response.id),
            model=hide(response.model),
            parts=tuple(self._cleaned_part(part) for part in response.parts),
            finish_raw=hide(response.finish_raw),
            finish_detail=hide(response.finish_detail),
            request_id=hide(response.request_id),
            warnings=tuple(map(hide, response.warnings)),
        )

    def _cleaned_part(self, part: Part) -> Part:
        match part:
            case Text():
                return part._replace(text=self.hide(part.text))
            case ToolCall():
                hide = self.hide
                if any(hide(text) != text for text in _texts(part.arguments)):
                    part = part._replace(arguments=json.loads(hide(json.dumps(part.arguments))))
                return part._replace(id=hide(part.id), name=hide(part.name), raw=hide(part.raw), error=hide(part.error))
            case _:
                return part


def _texts(arguments: Json) -> Iterator[str]:
    """Yield every string in `arguments`; they may be megabytes, so nothing is copied."""
    waiting = [arguments]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            waiting += [*value, *value.values()]
        elif isinstance(value, Sequence):
            waiting += value
