"""Our reader against the vendors' own clients: from every well-formed stream both put together the same."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.runtime.llm.messages import Response, Thinking
from attractor.runtime.llm.transport import Limits, Transport
from attractor.runtime.simulator.server import Simulator

from . import vendor_sdks as sdks
from .sequences import PROTOCOLS, SseSequence, endpoint, finished, question, read_sequences, wire_protocol

# The clients' own business: what they import may be deprecated, and they close connections when collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LIMITS = Limits(connect_s=5, first_byte_s=5, idle_s=5)
# The shapes of which a vendor's own client makes what the table wants; from the others it raises, or reads something
# else: an answer cut off, text instead of an object, a call lost under another's index.
WELL_FORMED = {
    "anthropic_messages": "T1 T3 T4 T5 T10 T11 T13 T16 T22 T30 T31 T32 T35 T37",
    "openai_chat_completions": "T1 T2 T3 T8 T9 T10 T11 T12 T13 T30 T31 T35 T36 T37",
    "openai_responses": "T1 T3 T4 T5 T6 T9 T10 T11 T13 T16 T25 T30 T31 T33 T35 T37",
    "google_generate_content": "T1 T8 T12 T20 T28 T31 T32 T35 T36 T37",
}


class Read(NamedTuple):
    """What a client made of a stream, in the words that both can say."""

    text: str
    thinking: str
    calls: list[tuple[str, str, Any]]  # id ("" where the protocol has none), name, arguments
    finish: str  # the provider's word
    usage: dict[str, int]  # inclusive counts; absent and 0 are one


class Going:
    """A cancellation that never comes."""

    reason = ""


class Served(NamedTuple):
    """Two servers that answer alike, one for each reader, and the clients that stay connected to the first."""

    theirs: Simulator
    ours: Simulator
    clients: dict[str, Any]
    transport: Transport

    def both(self, protocol: str, answer: Mapping[str, Any], **flags: Any) -> tuple[Read, Read]:
        """Return what the vendor's client and what our reader make of `answer`."""
        for server in (self.theirs, self.ours):
            server.load({"answers": [answer]})
        return THEIRS[protocol](self._client(protocol)), self._ours(protocol, **flags)

    def _client(self, protocol: str) -> Any:
        vendor = protocol.partition("_")[0]
        if vendor not in self.clients:
            make = {"anthropic": sdks.anthropic_client, "openai": sdks.openai_client, "google": sdks.google_client}
            self.clients[vendor] = make[vendor](self.theirs.url)
        return self.clients[vendor]

    def _ours(self, protocol: str, **flags: Any) -> Read:
        wire, target, asked = wire_protocol(protocol), endpoint(protocol, self.ours.url, **flags), question()
        request = wire.encode(asked, target, "k", stream=True)
        with self.transport.post(request, LIMITS, Going(), stream=True) as answer:
            return as_read(finished(list(wire.decode(answer.events(), target, asked))))


def as_read(response: Response) -> Read:
    own_ids = response.asked != "gemini-test"
    usage = {name: count for name, count in response.usage._asdict().items() if count}
    return Read(
        response.text,
        "".join(part.text for part in response.parts if isinstance(part, Thinking)),
        [
            (call.id if own_ids or (call.private or {}).get("id") else "", call.name, call.arguments)
            for call in response.calls
        ],
        response.finish_raw,
        usage,
    )


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Simulator() as theirs, Simulator() as ours:
        clients: dict[str, Any] = {}
        transport = Transport()
        yield Served(theirs, ours, clients, transport)
        transport.close()
        for client in clients.values():
            client.close()


def read_anthropic(client: Any) -> Read:
    messages = [{"role": "user", "content": "hi"}]
    with client.messages.stream(model="claude-test", max_tokens=1000, messages=messages) as stream:
        for _ in stream:
            pass
        message = stream.get_final_message()
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    blocks = message.content
    return Read(
        "".join(block.text for block in blocks if block.type == "text"),
        "".join(block.thinking for block in blocks if block.type == "thinking"),
        [(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"],
        message.stop_reason,
        _counted(
            usage.input_tokens + read + written, usage.output_tokens, read, written, details and details.thinking_tokens
        ),
    )


def read_chat(client: Any) -> Read:
    thinking = ""
    with client.chat.completions.stream(
        model="gpt-test", messages=[{"role": "user", "content": "hi"}], stream_options={"include_usage": True}
    ) as stream:
        for event in stream:
            if event.type == "chunk" and event.chunk.choices:
                thinking += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
        answer = stream.get_final_completion()
    (choice,) = answer.choices
    usage = answer.usage
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    calls = choice.message.tool_calls or ()
    return Read(
        (choice.message.content or "") + (choice.message.refusal or ""),
        thinking,
        [(call.id, call.function.name, json.loads(call.function.arguments or "{}")) for call in calls],
        choice.finish_reason,
        _counted(usage.prompt_tokens, usage.completion_tokens, prompt and prompt.cached_tokens, 0,
                 completion and completion.reasoning_tokens),
    )  # fmt: skip


def read_responses(client: Any) -> Read:
    with client.responses.stream(model="gpt-test", input="hi", store=False) as stream:
        events = list(stream)
        # The client offers the final response of completed ones only.
        answer = events[-1].response if "response.incomplete" == events[-1].type else stream.get_final_response()
    usage = answer.usage
    inputs, outputs = usage.input_tokens_details, usage.output_tokens_details
    calls = [item for item in answer.output if item.type == "function_call"]
    return Read(
        "".join(_texts(answer.output)),
        "",  # reasoning items are kept whole, not read
        [(item.call_id, item.name, json.loads(item.arguments or "{}")) for item in calls],
        answer.incomplete_details.reason if answer.incomplete_details else answer.status,
        _counted(usage.input_tokens, usage.output_tokens, inputs.cached_tokens,
                 getattr(inputs, "cache_write_tokens", 0), outputs.reasoning_tokens),
    )  # fmt: skip


def _texts(items: Any) -> Iterator[str]:
    for item in items:
        if item.type == "message":
            for part in item.content:
                yield part.text if part.type == "output_text" else part.refusal


def read_google(client: Any) -> Read:
    chunks = list(client.models.generate_content_stream(model="gemini-test", contents="hi"))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    usage = chunks[-1].usage_metadata
    thoughts = usage.thoughts_token_count or 0
    calls = [part.function_call for part in parts if part.function_call]
    return Read(
        "".join(part.text for part in parts if part.text and not part.thought),
        "".join(part.text for part in parts if part.text and part.thought),
        [(call.id or "", call.name, call.args or {}) for call in calls],
        chunks[-1].candidates[0].finish_reason.value,
        _counted(usage.prompt_token_count, (usage.candidates_token_count or 0) + thoughts,
                 usage.cached_content_token_count, 0, thoughts),
    )  # fmt: skip


def _counted(given: int, made: int, read: int | None, written: int | None, reasoning: int | None) -> dict[str, int]:
    counts = {
        "input_total": given,
        "output_total": made,
        "cache_read": read,
        "cache_write": written,
        "reasoning": reasoning,
    }
    return {name: count for name, count in counts.items() if count}


THEIRS: Mapping[str, Callable[[Any], Read]] = {
    "anthropic_messages": read_anthropic,
    "openai_chat_completions": read_chat,
    "openai_responses": read_responses,
    "google_generate_content": read_google,
}
SHAPED = [(protocol, number) for protocol, numbers in WELL_FORMED.items() for number in numbers.split()]


@pytest.mark.parametrize(("protocol", "number"), SHAPED)
def test_calls_of_every_well_formed_shape(served: Served, protocol: str, number: str) -> None:
    calls = [
        {"name": "shell", "arguments": {"command": "ls « été »", "n": 1}, "id": "call_a", "shape": number},
        {"name": "glob", "arguments": {"pattern": "*.c", "deep": [True, None, 1.5]}, "id": "call_b", "shape": number},
    ]
    theirs, ours = served.both(protocol, {"text": "I look.", "tool_calls": calls})

    assert theirs == ours
    assert 2 == len(ours.calls)


SDK_SEQUENCES = {sequence.name: sequence for sequence in read_sequences() if sequence.expect.get("sdk")}


@pytest.mark.parametrize("sequence", SDK_SEQUENCES.values(), ids=SDK_SEQUENCES)
def test_the_sequences_that_the_vendors_client_accepts(served: Served, sequence: SseSequence) -> None:
    answer = {"delivery": {"raw": {"text": sequence.body.decode()}}}
    theirs, ours = served.both(sequence.protocol, answer, **sequence.expect.get("flags", {}))

    assert theirs == ours


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
pieces = st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=5)
names = st.sampled_from(("shell", "glob", "read_file"))


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a provider may say: thinking, then text and calls in any order, however it travels."""
    content: list[dict[str, Any]] = []
    if draw(st.booleans()):
        signature = base64.b64encode(draw(st.binary(min_size=1, max_size=9))).decode()
        content.append({"thinking": draw(pieces), "signature": signature})
    for at in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            content.append({"text": draw(pieces)})
        else:
            arguments = draw(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
            call = {
                "name": draw(names),
                "arguments": arguments,
                "id": f"call_{at}",
                "fragments": draw(st.integers(1, 9)),
            }
            content.append({"tool_call": call | {"shape": draw(st.sampled_from(("normal", "interleaved")))}})
    counts = st.integers(0, 500)
    usage = {
        "input": 1000 + draw(counts),
        "output": 500 + draw(counts),
        "cache_read": draw(counts),
        "reasoning": draw(counts),
    }
    delivery = {
        "segment_bytes": draw(st.sampled_from((0, 0, 7, 100))),
        "line_end": draw(st.sampled_from(("lf", "crlf"))),
        "space": draw(st.booleans()),
        "chunked": draw(st.booleans()),
    }
    dialect = {"usage": draw(st.sampled_from(("last", "every")))}
    return {"content": content, "usage": usage, "delivery": delivery, "dialect": dialect}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_answer_is_read_as_the_vendors_client_reads_it(served: Served, protocol: str) -> None:
    @settings(max_examples=50, deadline=None, database=None)
    @given(answers())
    def check(answer: dict[str, Any]) -> None:
        if protocol == "google_generate_content":
            delivery = {**answer["delivery"], "space": True}  # its client reads nothing else
            answer = {**answer, "content": [_whole(block) for block in answer["content"]], "delivery": delivery}
        theirs, ours = served.both(protocol, answer)

        assert theirs == ours

    check()


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    """Return the block for a protocol whose calls arrive whole."""
    return {"tool_call": {**block["tool_call"], "shape": "normal"}} if "tool_call" in block else block
