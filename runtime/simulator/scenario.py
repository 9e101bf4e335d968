"""What to answer: the values of a scenario. `schemas/simulator.schema.json` is the format, and holds the defaults."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..outcome import Json

FIXED_TEXT: Final = "This is the simulator."


class Match(NamedTuple):
    """Which requests an answer is for; "" and None: any."""

    protocol: str
    path: str  # the URL's path begins with it
    model: str
    key: str
    contains: str  # in the last user message
    said: str  # in any user message
    stream: bool | None


class TextBlock(NamedTuple):
    deltas: Sequence[str]


class ThinkingBlock(NamedTuple):
    deltas: Sequence[str]
    signature: str


class RedactedBlock(NamedTuple):
    data: str


class CallBlock(NamedTuple):
    name: str
    arguments: Mapping[str, Json]
    raw: str | None  # the argument text, verbatim, instead of `arguments`
    id: str  # "": the protocol's own
    shape: str
    fragments: int


Block = TextBlock | ThinkingBlock | RedactedBlock | CallBlock


class Tokens(NamedTuple):
    """`input` counts cached tokens in, `output` those of reasoning."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class Dialect(NamedTuple):
    """Departures of one vendor from the protocol it speaks."""

    reasoning_key: str
    usage: str
    slots: str  # what stands under `index`
    ids: str
    stop_reason: str
    items: str


class RetryAfter(NamedTuple):
    dialect: str
    s: float


class ErrorAnswer(NamedTuple):
    kind: str
    status: int | None
    message: str
    body: Json
    headers: Mapping[str, str]
    retry_after: RetryAfter | None
    in_stream: str  # "", "event" or "failed"
    after_events: int | None


class Drop(NamedTuple):
    after_events: int | None
    after_bytes: int | None
    how: str


class Silence(NamedTuple):
    after_events: int
    s: float


class Pings(NamedTuple):
    form: str
    after_events: int
    times: int
    every_ms: int


class Garbage(NamedTuple):
    after_events: int
    content: bytes


class Raw(NamedTuple):
    content: bytes
    whole: bool


class Delivery(NamedTuple):
    """How the bytes of an answer travel. Numbers of events count records of the stream."""

    delay_ms: int
    drip_ms: int
    silence: Silence | None
    drop: Drop | None
    pings: Pings | None
    garbage: Garbage | None
    terminal: bool
    done: bool
    line_end: str
    space: bool
    pretty: bool
    bom: bool
    split_utf8: bool
    segment_bytes: int
    chunked: bool
    keep_open_s: float
    status: int
    content_type: str | None
    headers: Mapping[str, str]
    redirect: str
    raw: Raw | None


class Answer(NamedTuple):
    match: Match
    repeat: int | None  # None: always
    model: str
    blocks: Sequence[Block]
    finish: str
    finish_raw: str | None
    finish_raw_given: bool
    usage: Tokens
    dialect: Dialect
    error: ErrorAnswer | None
    delivery: Delivery


class Scenario(NamedTuple):
    answers: Sequence[Answer]
    otherwise: Answer | None
    per: str


def read_scenario(document: Mapping[str, Any]) -> Scenario:
    """Return the scenario in a document that the schema has accepted."""
    otherwise = document.get("otherwise")
    return Scenario(
        tuple(read_answer(answer) for answer in document.get("answers", ())),
        None if otherwise is None else read_answer(otherwise),
        document.get("per", "any"),
    )


def read_answer(answer: Mapping[str, Any]) -> Answer:
    match = answer.get("match", {})
    repeat = answer.get("repeat", 1)
    usage = answer.get("usage", {})
    dialect = answer.get("dialect", {})
    return Answer(
        match=Match(
            match.get("protocol", ""),
            match.get("path", ""),
            match.get("model", ""),
            match.get("key", ""),
            match.get("contains", ""),
            match.get("said", ""),
            match.get("stream"),
        ),
        repeat=None if repeat == "always" else repeat,
        model=answer.get("model", ""),
        blocks=_blocks(answer),
        finish=answer.get("finish", ""),
        finish_raw=answer.get("finish_raw"),
        finish_raw_given="finish_raw" in answer,
        usage=Tokens(
            usage.get("input", 25),
            usage.get("output", 10),
            usage.get("cache_read", 0),
            usage.get("cache_write", 0),
            usage.get("reasoning", 0),
        ),
        dialect=Dialect(
            dialect.get("reasoning_key", "reasoning_content"),
            dialect.get("usage", "last"),
            dialect.get("index", "normal"),
            dialect.get("ids", "normal"),
            dialect.get("stop_reason", "normal"),
            dialect.get("items", "normal"),
        ),
        error=_error(answer.get("error")),
        delivery=_delivery(answer.get("delivery", {})),
    )


def _blocks(answer: Mapping[str, Any]) -> tuple[Block, ...]:
    """Return the content in order: `content` as it stands, else thinking, text, calls."""
    if "content" in answer:
        return tuple(_block(block) for block in answer["content"])
    blocks: list[Block] = []
    if "thinking" in answer:
        blocks.append(_block({"thinking": answer["thinking"], "signature": answer.get("signature", "")}))
    if "text" in answer:
        blocks.append(_block({"text": answer["text"]}))
    return (*blocks, *(_call(call) for call in answer.get("tool_calls", ())))


def _block(block: Mapping[str, Any]) -> Block:
    if "text" in block:
        return TextBlock(_deltas(block["text"]))
    if "thinking" in block:
        return ThinkingBlock(_deltas(block["thinking"]), block.get("signature", ""))
    if "redacted_thinking" in block:
        return RedactedBlock(block["redacted_thinking"])
    return _call(block["tool_call"])


def _deltas(text: str | Sequence[str]) -> tuple[str, ...]:
    """Return the pieces a text arrives in: as listed, else cut into pieces of some letters."""
    if not isinstance(text, str):
        return tuple(text)
    size = max(12, len(text) // 64)
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def _call(call: Mapping[str, Any]) -> CallBlock:
    return CallBlock(
        call["name"],
        call.get("arguments", {}),
        call.get("raw"),
        call.get("id", ""),
        call.get("shape", "normal"),
        call.get("fragments", 3),
    )


def _error(error: Mapping[str, Any] | None) -> ErrorAnswer | None:
    if error is None:
        return None
    wait = error.get("retry_after")
    return ErrorAnswer(
        kind=error.get("kind", "server_error"),
        status=error.get("status"),
        message=error.get("message", ""),
        body=error.get("body"),
        headers=error.get("headers", {}),
        retry_after=None if wait is None else RetryAfter(wait.get("dialect", "seconds"), wait["s"]),
        in_stream=error.get("in_stream", ""),
        after_events=error.get("after_events"),
    )


def _delivery(delivery: Mapping[str, Any]) -> Delivery:
    silence, drop, pings = delivery.get("silence"), delivery.get("drop"), delivery.get("pings")
    garbage, raw = delivery.get("garbage"), delivery.get("raw")
    return Delivery(
        delay_ms=delivery.get("delay_ms", 0),
        drip_ms=delivery.get("drip_ms", 0),
        silence=None if silence is None else Silence(silence.get("after_events", 1), silence["s"]),
        drop=None
        if drop is None
        else Drop(drop.get("after_events"), drop.get("after_bytes"), drop.get("how", "close")),
        pings=None
        if pings is None
        else Pings(
            pings.get("form", "comment"),
            pings.get("after_events", 1),
            pings.get("times", 1),
            pings.get("every_ms", 0),
        ),
        garbage=None if garbage is None else Garbage(garbage.get("after_events", 1), _bytes(garbage)),
        terminal=delivery.get("terminal", True),
        done=delivery.get("done", True),
        line_end={"lf": "\n", "crlf": "\r\n", "cr": "\r"}[delivery.get("line_end", "lf")],
        space=delivery.get("space", True),
        pretty=delivery.get("pretty", False),
        bom=delivery.get("bom", False),
        split_utf8=delivery.get("split_utf8", False),
        segment_bytes=delivery.get("segment_bytes", 0),
        chunked=delivery.get("chunked", True),
        keep_open_s=delivery.get("keep_open_s", 0),
        status=delivery.get("status", 200),
        content_type=delivery.get("content_type"),
        headers=delivery.get("headers", {}),
        redirect=delivery.get("redirect", ""),
        raw=None if raw is None else Raw(_bytes(raw), raw.get("whole", False)),
    )


def _bytes(content: Mapping[str, Any]) -> bytes:
    if "base64" in content:
        import base64

        return base64.b64decode(content["base64"])
    return str(content.get("text", "")).encode("utf-8", "surrogatepass")


ECHO: Final = read_answer({"repeat": "always", "text": FIXED_TEXT})
