"""Why a program failed: from what its stream says, else from its exit code and the end of its stderr."""

import json
import re
from typing import Final

from ..failure import classify
from ..llm.classify import in_stream_error, read_error, typed_error
from ..llm.errors import (
    Authentication,
    Configuration,
    InvalidRequest,
    LlmError,
    ModelNotFound,
    Network,
    Overloaded,
    QuotaExceeded,
    ServerError,
    StreamTruncated,
)
from ..llm.wire import Endpoint, HttpError
from ..outcome import FailureClass
from ..plan import Api
from .contract import Failed, Order, Program

NOT_FOUND: Final = 127
MESSAGE_CHARS: Final = 600
FLAG: Final = re.compile(
    r"(?:unknown (?:option|argument)s?|unexpected argument|unrecognized option)[^\n]*", re.IGNORECASE
)
# Words of the programs' own; what the providers say is classified as it is over HTTP.
WORDS: Final[tuple[tuple[type[LlmError], re.Pattern[str]], ...]] = (
    (
        Authentication,
        re.compile(
            r"set an auth method|invalid auth method|not logged in|please (?:log|sign) ?in|/login|invalid api key"
        ),
    ),
    (QuotaExceeded, re.compile(r"quota exceeded|exhausted your .{0,20}quota|usage limit|credit balance")),
    (
        ModelNotFound,
        re.compile(r"issue with the selected model|model.{0,80}(?:does not exist|not found)|is not found for api"),
    ),
    (Overloaded, re.compile(r"at capacity|overloaded")),
    (
        Network,
        re.compile(
            r"stream disconnected|stream closed before|connection (?:failed|refused|reset)|fetch failed|lookup address"
        ),
    ),
)
_NO_API: Final = Api("", "", "", "", {}, "", 0, force_stream=False, flags={}, model_flags={})


def failure(program: Program, order: Order, exit_code: int, said: Failed | None, stderr: str) -> LlmError:
    """Return the typed error of a program that did not end as it should.

    Args:
        said: what its stream gave as the reason; None when the stream just ended.
        stderr: the last lines of it.
    """
    error = _of_stream(program, order, said) if said else _of_exit(program, exit_code, stderr)
    error.provider, error.model = order.provider, order.model
    if isinstance(error, Authentication):
        error.message += f"; {program.login}, or hand its key on with env.pass in run.yaml"
        error.args = (error.message,)
    return error


def _of_stream(program: Program, order: Order, said: Failed) -> LlmError:
    endpoint, body = Endpoint(order.provider, order.model, _NO_API), _wrapped(said.message)
    if read_error(body) is not None:
        return in_stream_error(body, endpoint)
    kind = _by_words(said.message)
    if kind is None and said.status:
        return typed_error(HttpError(said.status, {}, said.message.encode()), endpoint)
    return (kind or _by_class(said.message))(f"{program.name} gave up: {_cut(said.message)}", status=said.status)


def _of_exit(program: Program, exit_code: int, stderr: str) -> LlmError:
    if exit_code == NOT_FOUND:
        return Configuration(f"{program.name} is not installed, or not on PATH; get it with: {program.install}")
    flag = FLAG.search(stderr)
    if flag:
        return Configuration(
            f"this version of {program.name} does not take what it is started with: {flag[0].strip()}; update it: "
            f"{program.install}"
        )
    ending = f"ended with exit code {exit_code}" if exit_code else "ended without a result"
    told = f": {_cut(stderr)}" if stderr else ""
    return (_by_words(stderr) or (_by_class(stderr) if exit_code else StreamTruncated))(
        f"{program.name} {ending}{told}"
    )


def _by_words(text: str) -> type[LlmError] | None:
    text = text.lower()
    return next((kind for kind, words in WORDS if words.search(text)), None)


def _by_class(text: str) -> type[LlmError]:
    """Return what words mean that no program is known for: what does not look transient is not tried again."""
    return ServerError if classify(text) is FailureClass.TRANSIENT_INFRA else InvalidRequest


def _wrapped(message: str) -> object:
    """Return the JSON that some programs wrap a provider's error in: `[API Error: {...}]`."""
    start, end = message.find("{"), message.rfind("}")
    try:
        return json.loads(message[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        return None


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MESSAGE_CHARS else f"{text[:MESSAGE_CHARS]} …"
