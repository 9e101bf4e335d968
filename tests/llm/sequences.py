"""The sequences of tool_call_sequences.ndjson, how to ask for them, and a reader that gets some of them wrong."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from attractor.runtime.llm.messages import Finished, Request, Response, StreamEvent, ToolDefinition, user
from attractor.runtime.llm.wire import Endpoint, SseEvent, WireProtocol
from attractor.runtime.plan import Api

FILE = Path(__file__).with_name("tool_call_sequences.ndjson")
CATALOG = Path(__file__).parents[2] / "compiler" / "catalog" / "protocols.json"
MODELS = {
    "anthropic_messages": "claude-test",
    "openai_chat_completions": "gpt-test",
    "openai_responses": "gpt-test",
    "google_generate_content": "gemini-test",
}
PROTOCOLS = tuple(MODELS)


class SseSequence(NamedTuple):
    name: str
    title: str  # the comment before it
    protocol: str
    events: tuple[tuple[str, Any], ...]  # the event's name and data
    expect: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        """The stream as it is sent."""
        return b"".join(record(name, data) for name, data in self.events)


def record(name: str, data: Any) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode("utf-8", "surrogatepass")


def read_sequences(path: Path = FILE) -> Iterator[SseSequence]:
    """Yield the groups of `path` in order. A group ends with its line of expectations."""
    title, name, protocol = "", "", ""
    events: list[tuple[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            title = line[1:].strip() or title
            continue
        entry = json.loads(line)
        assert name in {"", entry["sequence"]}, f"{name} has no expectations"
        name = entry["sequence"]
        if "expect" in entry:
            yield SseSequence(name, title, protocol, tuple(events), entry["expect"])
            name, events = "", []
        else:
            protocol = entry["protocol"]
            events.append((entry["event"], entry["data"]))
    assert not events, f"{name} has no expectations"


@cache
def _catalog() -> Any:
    return json.loads(CATALOG.read_text(encoding="utf-8"))


def endpoint(protocol: str, url: str = "http://127.0.0.1:1", **flags: Any) -> Endpoint:
    """Return a plain server of `protocol` at `url`, with the flags that nobody knows better, but for `flags`."""
    known = _catalog()[protocol]
    api = Api(
        protocol=protocol,
        base_url=url,
        path=known["path"],
        api_key_env="",
        headers={},
        profile_family=known["profile_family"],
        max_tokens_floor=0,
        force_stream=False,
        flags={**known["flags"], **flags},
        model_flags={},
    )
    return Endpoint("vendor", MODELS[protocol], api)


def wire_protocol(name: str) -> WireProtocol:
    return importlib.import_module(f"attractor.runtime.llm.protocols.{name}")  # type: ignore[return-value]


def question(tools: Sequence[str] = ()) -> Request:
    schema = {"type": "object", "properties": {}}
    return Request(
        messages=(user("What is in this folder?"),), tools=tuple(ToolDefinition(name, name, schema) for name in tools)
    )


def decoded(sequence: SseSequence) -> list[StreamEvent]:
    """Return what the sequence means, without a network."""
    events = (SseEvent(name, data if isinstance(data, str) else json.dumps(data)) for name, data in sequence.events)
    target = endpoint(sequence.protocol, **sequence.expect.get("flags", {}))
    return list(wire_protocol(sequence.protocol).decode(events, target, question(sequence.expect.get("tools", ()))))


def finished(events: Sequence[StreamEvent]) -> Response:
    """Return the response that ends `events`: exactly one, last."""
    assert [len(events) - 1] == [at for at, event in enumerate(events) if isinstance(event, Finished)]
    last = events[-1]
    assert isinstance(last, Finished)
    return last.response


def naive_arguments(events: Sequence[tuple[str, Any]]) -> list[str]:
    """Return each call's argument text as a naive reader of the Messages protocol puts it together.

    It takes what the start preloads and appends every delta. That is right for a vendor whose start is always empty,
    and it is the counter-example that this project began with: never do this.
    """
    texts: dict[int, str] = {}
    for _, data in events:
        match data.get("type"):
            case "content_block_start" if data["content_block"]["type"] == "tool_use":
                preloaded = data["content_block"].get("input")
                texts[data["index"]] = json.dumps(preloaded, separators=(",", ":")) if preloaded else ""
            case "content_block_delta" if data["delta"]["type"] == "input_json_delta":
                texts[data["index"]] += data["delta"]["partial_json"]
    return list(texts.values())
