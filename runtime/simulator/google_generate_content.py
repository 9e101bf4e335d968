"""Google's generateContent, the server's side: every record is a whole response, calls arrive whole."""

import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ..outcome import Json
from .scenario import ErrorAnswer, RedactedBlock, TextBlock, ThinkingBlock
from .shapes import ABSENT, SHAPES, WHOLE, Arrival, dumps, value
from .turn import LIVE, TERMINAL, Asked, Failure, Frame, Sent, Turn, finish_word, user_texts, with_ids
from .waiting import wait_headers

REFUSED_SHAPES: Final = frozenset(SHAPES.values()) - WHOLE
_FINISH: Final = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "malformed_call": "MALFORMED_FUNCTION_CALL",
    "other": "OTHER",
    "pause": "OTHER",
}
_ERRORS: Final[Mapping[str, tuple[int, str, str]]] = {
    "invalid_request": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "context_length": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "content_filter": (400, "INVALID_ARGUMENT", "The prompt was blocked by a content filter."),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "billing": (
        403,
        "PERMISSION_DENIED",
        "This API method requires billing to be enabled. Please enable billing on the project.",
    ),
    "authentication": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "permission": (403, "PERMISSION_DENIED", "The caller does not have permission"),
    "model_not_found": (
        404,
        "NOT_FOUND",
        "models/{model} is not found for API version v1beta, or is not supported for generateContent.",
    ),
    "conflict": (409, "ABORTED", "The operation was aborted."),
    "request_too_large": (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "server_error": (500, "INTERNAL", "An internal error has occurred. Please retry."),
    "timeout": (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
}


def asked(path: str, body: Mapping[str, Any]) -> Asked:
    """Read the model and whether to stream from the path, which is where this protocol says it."""
    model, _, verb = urllib.parse.unquote(path).rpartition("/")[2].partition(":")
    texts = user_texts(body.get("contents"), "parts", "text")
    return Asked(model, verb.startswith("streamGenerateContent"), texts, body)


def frames(turn: Turn) -> Iterator[Frame]:
    if _blocked(turn):
        yield Frame(_blocked_response(turn), place=TERMINAL)
        return
    total = len(turn.blocks) or 1
    signed = False
    for position, group in enumerate(_groups(_named(turn)), start=1):
        share = turn.usage.output * position // (total + 1)
        if isinstance(group[0], Arrival):
            parts, signed = _call_parts(turn, group, signed)
            data = _response(turn, parts, output=share)
            if any(isinstance(block, Arrival) and block.shape == "cut_in_fragment" for block in group):
                text = dumps(data)
                yield Frame(text[: text.rfind("functionCall") + 20], cut=True)
                return
            yield Frame(data)
            continue
        for part in _parts(turn, group[0]):
            yield Frame(_response(turn, [part], output=share))
    last = _response(turn, [{"text": ""}], output=turn.usage.output, finish=finish_word(turn, _FINISH))
    yield Frame(last, place=TERMINAL)


def _named(turn: Turn) -> list[Sent]:
    """Return the blocks; calls have ids only where the scenario gives them, or a shape is about ids."""
    about_ids = any(call.shape in {"duplicate_ids", "delivered_twice"} for call in turn.calls)
    return with_ids(turn, "call_sim" if about_ids else "")


def _groups(blocks: Sequence[Sent]) -> Iterator[list[Sent]]:
    """Yield the blocks of one record each: parallel calls arrive together."""
    calls: list[Sent] = []
    for block in blocks:
        if isinstance(block, Arrival):
            calls.append(block)
            continue
        if calls:
            yield calls
            calls = []
        yield [block]
    if calls:
        yield calls


def _parts(turn: Turn, block: Sent) -> list[dict[str, Any]]:
    match block:
        case TextBlock():
            return [{"text": piece} for piece in block.deltas]
        case ThinkingBlock():
            return [{"text": piece, "thought": True} for piece in block.deltas]
        case RedactedBlock():
            return [{"text": "", "thoughtSignature": block.data}]
        case Arrival():
            return _call_parts(turn, [block], True)[0]


def _call_parts(turn: Turn, calls: Sequence[Sent], signed: bool) -> tuple[list[dict[str, Any]], bool]:
    """Return the parts of parallel calls; the first one carries the signature of the thought before it."""
    signatures = [block.signature for block in turn.blocks if isinstance(block, ThinkingBlock) and block.signature]
    parts: list[dict[str, Any]] = []
    for call in calls:
        if not isinstance(call, Arrival):
            continue
        function: dict[str, Any] = {"id": call.id} if call.id else {}
        function["name"] = call.name
        arguments = value(call)
        if arguments is not ABSENT:
            function["args"] = arguments
        part: dict[str, Any] = {"functionCall": function}
        if signatures and not signed:
            part["thoughtSignature"] = signatures[-1]
            signed = True
        parts += [part] * (2 if call.shape == "delivered_twice" else 1)
    return parts, signed


def _blocked(turn: Turn) -> bool:
    return turn.finish == "content_filter" and not turn.blocks and not turn.finish_raw_given


def _blocked_response(turn: Turn) -> dict[str, Any]:
    return {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": turn.usage.input, "totalTokenCount": turn.usage.input},
        "modelVersion": turn.model,
        "responseId": f"sim{turn.number:06}",
    }


def _response(turn: Turn, parts: list[dict[str, Any]], *, output: int, finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    tokens = turn.usage
    thoughts = min(tokens.reasoning, output)
    usage = {
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": output - thoughts,
        "totalTokenCount": tokens.input + output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.input}],
    }
    if tokens.reasoning:
        usage["thoughtsTokenCount"] = thoughts
    if tokens.cache_read:
        usage["cachedContentTokenCount"] = tokens.cache_read
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": turn.model,
        "responseId": f"sim{turn.number:06}",
    }


def complete(turn: Turn) -> Mapping[str, Json]:
    if _blocked(turn):
        return _blocked_response(turn)
    parts: list[dict[str, Any]] = []
    signed = False
    for group in _groups(_named(turn)):
        match group[0]:
            case Arrival():
                made, signed = _call_parts(turn, group, signed)
                parts += made
            case TextBlock() as block:
                parts.append({"text": "".join(block.deltas)})
            case ThinkingBlock() as block:
                parts.append({"text": "".join(block.deltas), "thought": True})
            case RedactedBlock():
                parts += _parts(turn, group[0])
    return _response(turn, parts, output=turn.usage.output, finish=finish_word(turn, _FINISH))


def failure(error: ErrorAnswer, asked: Asked, number: int) -> Failure:
    status, body = _error_body(error, asked.model)
    return Failure(status, body, wait_headers(error.retry_after, "x-ratelimit"))


def _error_body(error: ErrorAnswer, model: str) -> tuple[int, dict[str, Json]]:
    status, word, message = _ERRORS[error.kind]
    details: list[Json] = []
    if error.kind == "authentication":
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }
        )
    if error.kind in {"quota", "rate_limit"}:
        period = "Day" if error.kind == "quota" else "Minute"
        quota = f"GenerateRequestsPer{period}PerProjectPerModel"
        violation: Json = {"quotaId": quota, "quotaDimensions": {"location": "global", "model": model}}
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]})
    if error.retry_after is not None and error.retry_after.dialect == "retry_info":
        delay = f"{error.retry_after.s:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    record: dict[str, Json] = {
        "code": error.status or status,
        "message": error.message or message.replace("{model}", model),
        "status": word,
    }
    return status, {"error": record | ({"details": details} if details else {})}


def error_frame(error: ErrorAnswer, turn: Turn) -> Frame:
    _, body = _error_body(error, turn.model)
    return Frame(body, place=LIVE)
