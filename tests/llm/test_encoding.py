"""What each protocol is asked: tools, choices, effort, limits, history; for its own messages and for foreign ones."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from attractor.runtime.llm.messages import (
    ArgumentState,
    Message,
    Opaque,
    Origin,
    Part,
    RedactedThinking,
    Request,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolDefinition,
    ToolResult,
    tool_results,
    user,
)
from attractor.runtime.llm.protocols import protocol as wire
from attractor.runtime.llm.wire import Endpoint

from .asking import ANTHROPIC, CHAT, GOOGLE, KEY, PROTOCOLS, RESPONSES, body_of, endpoint

TOOL = ToolDefinition("f", "does f", {"type": "object", "properties": {"a": {"type": "integer"}}})
OWN = Origin("vendor", "model-1")
FOREIGN = Origin("elsewhere", "model-9")


def assistant(*parts: Part, origin: Origin = OWN) -> Message:
    return Message(Role.ASSISTANT, parts, origin)


def history(target: Endpoint, *messages: Message, tools: Sequence[ToolDefinition] = (TOOL,)) -> list[Any]:
    """Return the encoded messages."""
    body = body_of(target, Request(messages=messages, tools=tuple(tools)))
    found = body.get("messages") or body.get("input") or body.get("contents")
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("protocol", "header", "value"),
    [
        (ANTHROPIC, "x-api-key", KEY),
        (RESPONSES, "Authorization", f"Bearer {KEY}"),
        (CHAT, "Authorization", f"Bearer {KEY}"),
        (GOOGLE, "x-goog-api-key", KEY),
    ],
)
def test_the_key_is_in_one_header_and_nowhere_else(protocol: str, header: str, value: str) -> None:
    target = endpoint(protocol, headers={"x-team": "blue"})

    post = wire(protocol).encode(Request(messages=(user("hi"),)), target, KEY, stream=True)

    assert value == post.headers[header]
    assert "blue" == post.headers["x-team"]
    assert [header] == [name for name, content in post.headers.items() if KEY in content]
    assert KEY not in post.url + json.dumps(post.body)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_endpoint_without_a_key_gets_none(protocol: str) -> None:
    post = wire(protocol).encode(Request(messages=(user("hi"),)), endpoint(protocol), "", stream=True)

    assert {} == {name: value for name, value in post.headers.items() if "key" in name or name == "Authorization"}


def test_a_bearer_takes_the_place_of_the_key_header() -> None:
    post = wire(ANTHROPIC).encode(Request(messages=(user("hi"),)), endpoint(ANTHROPIC, auth="bearer"), KEY, stream=True)

    assert {"anthropic-version": "2023-06-01", "Authorization": f"Bearer {KEY}"} == post.headers


@pytest.mark.parametrize(
    ("protocol", "path", "expected"),
    [
        (ANTHROPIC, ("system",), [{"type": "text", "text": "be brief"}]),
        (RESPONSES, ("instructions",), "be brief"),
        (CHAT, ("messages", 0), {"role": "system", "content": "be brief"}),
        (GOOGLE, ("systemInstruction",), {"parts": [{"text": "be brief"}]}),
    ],
)
def test_the_system_text_has_its_place(protocol: str, path: Sequence[Any], expected: object) -> None:
    found: Any = body_of(endpoint(protocol), Request(system="be brief", messages=(user("hi"),)))
    for step in path:
        found = found[step]

    assert expected == found


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (ANTHROPIC, [{"name": "f", "description": "does f", "input_schema": TOOL.parameters}]),
        (
            RESPONSES,
            [
                {
                    "type": "function",
                    "name": "f",
                    "description": "does f",
                    "parameters": TOOL.parameters,
                    "strict": False,
                }
            ],
        ),
        (
            CHAT,
            [{"type": "function", "function": {"name": "f", "description": "does f", "parameters": TOOL.parameters}}],
        ),
        (
            GOOGLE,
            [
                {
                    "functionDeclarations": [
                        {"name": "f", "description": "does f", "parametersJsonSchema": TOOL.parameters}
                    ]
                }
            ],
        ),
    ],
)
def test_tools_are_declared_as_the_protocol_wants(protocol: str, expected: object) -> None:
    assert expected == body_of(endpoint(protocol), Request(messages=(user("hi"),), tools=(TOOL,)))["tools"]


CHOICES: dict[str, dict[str, Any]] = {
    ANTHROPIC: {
        "auto": {"type": "auto"},
        "none": {"type": "none"},
        "required": {"type": "any"},
        "f": {"type": "tool", "name": "f"},
    },
    RESPONSES: {"auto": "auto", "none": "none", "required": "required", "f": {"type": "function", "name": "f"}},
    CHAT: {
        "auto": "auto",
        "none": "none",
        "required": "required",
        "f": {"type": "function", "function": {"name": "f"}},
    },
    GOOGLE: {
        "auto": {"mode": "AUTO"},
        "none": {"mode": "NONE"},
        "required": {"mode": "ANY"},
        "f": {"mode": "ANY", "allowedFunctionNames": ["f"]},
    },
}


@pytest.mark.parametrize("choice", ["auto", "none", "required", "f"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_choice_of_tools_is_mapped(protocol: str, choice: str) -> None:
    body = body_of(endpoint(protocol), Request(messages=(user("hi"),), tools=(TOOL,), tool_choice=choice))

    found = body["toolConfig"]["functionCallingConfig"] if protocol == GOOGLE else body["tool_choice"]
    assert CHOICES[protocol][choice] == found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_tools_nothing_is_said_of_them(protocol: str) -> None:
    body = body_of(endpoint(protocol), Request(messages=(user("hi"),), tool_choice="required"))

    assert not {"tools", "tool_choice", "toolConfig", "parallel_tool_calls", "tool_stream"} & set(body)


@pytest.mark.parametrize(
    ("protocol", "flags", "effort", "expected"),
    [
        (
            ANTHROPIC,
            {"thinking": "adaptive"},
            "high",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (
            ANTHROPIC,
            {"thinking": "adaptive"},
            "minimal",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        (ANTHROPIC, {"thinking": "budget"}, "high", {"thinking": {"type": "enabled", "budget_tokens": 14976}}),
        (ANTHROPIC, {"thinking": "budget", "max_tokens_default": 2000}, "high", {}),
        (ANTHROPIC, {"thinking": ""}, "high", {}),
        (ANTHROPIC, {"thinking": "adaptive"}, None, {}),
        (RESPONSES, {}, "low", {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}),
        (RESPONSES, {"effort_key": ""}, "low", {}),
        (CHAT, {}, "low", {"reasoning_effort": "low"}),
        (CHAT, {"effort_key": ""}, "low", {}),
        (GOOGLE, {"thinking": "level"}, "high", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}),
        (GOOGLE, {"thinking": "budget"}, "low", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 2048}}}),
        (GOOGLE, {}, "low", {}),
    ],
)
def test_effort_is_asked_in_the_form_that_the_model_knows(
    protocol: str, flags: dict[str, Any], effort: str | None, expected: object
) -> None:
    body = body_of(endpoint(protocol, **flags), Request(messages=(user("hi"),), reasoning_effort=effort))

    keys = ("thinking", "output_config", "reasoning", "include", "reasoning_effort", "generationConfig")
    assert expected == {key: body[key] for key in keys if key in body}


def test_a_forced_tool_and_thinking_exclude_each_other() -> None:
    request = Request(messages=(user("hi"),), tools=(TOOL,), tool_choice="f", reasoning_effort="high")

    assert "thinking" not in body_of(endpoint(ANTHROPIC, thinking="budget"), request)


def test_thinking_is_not_asked_for_in_the_middle_of_a_round_that_another_model_began() -> None:
    call = assistant(ToolCall("a", "f", "{}", {}), origin=FOREIGN)
    request = Request(messages=(user("hi"), call, tool_results([ToolResult("a", "f", "x")])), reasoning_effort="high")

    assert "thinking" not in body_of(endpoint(ANTHROPIC, thinking="budget"), request)
    assert "thinking" in body_of(endpoint(ANTHROPIC, thinking="adaptive"), request)


@pytest.mark.parametrize(
    ("protocol", "key", "unsaid"),
    [
        (ANTHROPIC, "max_tokens", 16000),
        (RESPONSES, "max_output_tokens", None),
        (CHAT, "max_tokens", None),
        (GOOGLE, "maxOutputTokens", None),
    ],
)
def test_the_output_limit_is_the_nodes_but_not_below_the_floor(protocol: str, key: str, unsaid: int | None) -> None:
    def limit(asked: int | None, floor: int) -> Any:
        body = body_of(endpoint(protocol, floor=floor), Request(messages=(user("hi"),), max_tokens=asked))
        return (body.get("generationConfig", {}) if protocol == GOOGLE else body).get(key)

    assert [500, 4000, unsaid] == [limit(500, 0), limit(500, 4000), limit(None, 4000)]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"max_tokens_key": "max_completion_tokens"}, {"max_completion_tokens": 5}),
        ({"stream_options": False}, {}),
        ({"stream_options": True}, {"stream_options": {"include_usage": True}}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"tool_stream": True}, {"tool_stream": True}),
        ({"clear_thinking": False}, {"thinking": {"type": "enabled", "clear_thinking": False}}),
    ],
    ids=lambda value: next(iter(value), "nothing"),
)
def test_what_differs_between_vendors_of_chat_is_a_flag(flags: dict[str, Any], expected: dict[str, Any]) -> None:
    keys = ("max_completion_tokens", "stream_options", "parallel_tool_calls", "tool_stream", "thinking")
    body = body_of(
        endpoint(CHAT, **{"stream_options": False, **flags}),
        Request(messages=(user("hi"),), tools=(TOOL,), max_tokens=5),
    )

    assert expected == {key: body[key] for key in keys if key in body}


def test_strictness_is_said_only_where_the_vendor_knows_the_word() -> None:
    request = Request(messages=(user("hi"),), tools=(TOOL,))

    assert False is body_of(endpoint(CHAT, strict_tools=True), request)["tools"][0]["function"]["strict"]
    assert "strict" not in body_of(endpoint(CHAT, strict_tools=False), request)["tools"][0]["function"]


CALLS = assistant(
    Text("so"),
    ToolCall("a", "f", '{"a":1}', {"a": 1}),
    ToolCall("b", "f", '{"a":', None, ArgumentState.MALFORMED, "cut"),
)
RESULTS = tool_results([ToolResult("a", "f", "one"), ToolResult("b", "f", "broken", is_error=True)])


def test_results_in_anthropic_messages_come_first_and_what_the_user_says_joins_them() -> None:
    assert [
        {"role": "user", "content": [{"type": "text", "text": "go"}]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "so"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {"_unparsed": '{"a":'}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "one"},
            {"type": "tool_result", "tool_use_id": "b", "content": "broken", "is_error": True},
            {"type": "text", "text": "hurry"},
        ]},
    ] == history(endpoint(ANTHROPIC), user("go"), CALLS, RESULTS, user("hurry"))  # fmt: skip


def test_results_come_first_also_when_the_user_spoke_before_them() -> None:
    last = history(endpoint(ANTHROPIC), user("go"), CALLS, user("hurry"), RESULTS)[-1]

    assert ["tool_result", "tool_result", "text"] == [block["type"] for block in last["content"]]


def test_results_in_responses_are_items() -> None:
    assert [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so"}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "one"},
        {"type": "function_call_output", "call_id": "b", "output": "Error: broken"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hurry"}]},
    ] == history(endpoint(RESPONSES), user("go"), CALLS, RESULTS, user("hurry"))[1:]


def test_results_in_chat_are_messages() -> None:
    def call(id: str, arguments: str) -> object:
        return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}

    assert [
        {"role": "assistant", "content": "so", "tool_calls": [call("a", '{"a": 1}'), call("b", "{}")]},
        {"role": "tool", "tool_call_id": "a", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: broken"},
        {"role": "user", "content": "hurry"},
    ] == history(endpoint(CHAT), user("go"), CALLS, RESULTS, user("hurry"))[1:]


def test_results_in_google_are_parts() -> None:
    assert [
        {"role": "model", "parts": [
            {"text": "so"},
            {"functionCall": {"name": "f", "args": {"a": 1}}},
            {"functionCall": {"name": "f", "args": {"_unparsed": '{"a":'}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"output": "one"}}},
            {"functionResponse": {"name": "f", "response": {"error": "broken"}}},
            {"text": "hurry"},
        ]},
    ] == history(endpoint(GOOGLE), user("go"), CALLS, RESULTS, user("hurry"))[1:]  # fmt: skip


FULL = (
    Thinking("secret thought", "SIGNATURE"),
    RedactedThinking("REDACTED"),
    Opaque({"type": "reasoning", "id": "rs_1", "encrypted_content": "OPAQUE"}),
    Text("seen", {"thoughtSignature": "SIGNATURE"}),
    ToolCall("call.1:x", "f", "{}", {}, private={"thoughtSignature": "SIGNATURE", "id": True}),
)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_check_53_a_foreign_message_leaves_its_private_state_behind(protocol: str) -> None:
    encoded = history(
        endpoint(protocol),
        user("go"),
        assistant(*FULL, origin=FOREIGN),
        tool_results([ToolResult("call.1:x", "f", "ok")]),
    )

    text = json.dumps(encoded)
    assert [] == [word for word in ("SIGNATURE", "REDACTED", "OPAQUE", "secret", "rs_1", "call.1:x") if word in text]
    assert "seen" in text
    if protocol != GOOGLE:
        assert 2 == text.count('"call_1_x"')


def test_own_state_goes_back() -> None:
    encoded = json.dumps(history(endpoint(ANTHROPIC), user("go"), assistant(*FULL[:2], Text("x"))))

    assert ("SIGNATURE" in encoded, "REDACTED" in encoded) == (True, True)


def test_another_model_of_the_same_provider_is_foreign_too() -> None:
    encoded = history(endpoint(ANTHROPIC), user("go"), assistant(*FULL, origin=Origin("vendor", "model-2")))

    assert "SIGNATURE" not in json.dumps(encoded)


@pytest.mark.parametrize(("protocol", "key"), [(CHAT, "id"), (RESPONSES, "call_id")])
def test_own_ids_stay_as_they_are(protocol: str, key: str) -> None:
    call = assistant(ToolCall("functions.f:0", "f", "{}", {}))

    encoded = json.dumps(
        history(endpoint(protocol), user("go"), call, tool_results([ToolResult("functions.f:0", "f", "x")]))
    )

    assert 2 == encoded.count('"functions.f:0"')


@pytest.mark.parametrize("protocol", [ANTHROPIC, CHAT, RESPONSES])
def test_two_ids_never_become_one(protocol: str) -> None:
    calls = assistant(
        ToolCall("a.b", "f", "{}", {}),
        ToolCall("a:b", "f", "{}", {}),
        ToolCall("x" * 90, "f", "{}", {}),
        origin=FOREIGN,
    )
    results = tool_results([ToolResult(id, "f", id[0]) for id in ("a.b", "a:b", "x" * 90)])

    encoded = json.dumps(history(endpoint(protocol), user("go"), calls, results))

    assert [2, 2, 2] == [encoded.count(f'"{id}"') for id in ("a_b", "a_b_2", "x" * 40)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_tool_name_that_cannot_be_is_written_so_that_nobody_refuses_it(protocol: str) -> None:
    call = assistant(ToolCall("a", "no such.tool!" + "x" * 90, "{}", {}))

    encoded = json.dumps(
        history(endpoint(protocol), user("go"), call, tool_results([ToolResult("a", "no such.tool!", "x")]))
    )

    assert f'"no_such_tool_{"x" * 51}"' in encoded


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_empty_texts_and_messages_are_left_out(protocol: str) -> None:
    messages = (user("go"), assistant(Text("")), user(""), assistant(Thinking("t"), origin=FOREIGN), user("on"))

    encoded = history(endpoint(protocol), *messages)

    assert (2 if protocol in {CHAT, RESPONSES} else 1) == len(encoded)
    assert '""' not in json.dumps(encoded)


def test_blank_text_is_left_out_where_it_is_refused() -> None:
    encoded = history(endpoint(ANTHROPIC), user("go"), assistant(Text("\n\n"), ToolCall("a", "f", "{}", {})))

    assert ["tool_use"] == [block["type"] for block in encoded[1]["content"]]


def test_a_call_that_google_did_not_make_has_a_signature_where_models_check_them() -> None:
    calls = assistant(ToolCall("a", "f", "{}", {}), ToolCall("b", "f", "{}", {}), origin=FOREIGN)

    strict = history(endpoint(GOOGLE, thinking="level"), user("go"), calls)[1]["parts"]
    lenient = history(endpoint(GOOGLE, thinking="budget"), user("go"), calls)[1]["parts"]

    assert [True, False] == ["thoughtSignature" in part for part in strict]
    assert [False, False] == ["thoughtSignature" in part for part in lenient]


def marks(body: Any) -> int:
    return json.dumps(body).count("cache_control")


def test_the_cache_is_marked_only_where_it_exists() -> None:
    request = Request(system="s", messages=(user("go"),), tools=(TOOL,))

    assert (2, 0) == (
        marks(body_of(endpoint(ANTHROPIC, cache_control=True), request)), marks(body_of(endpoint(ANTHROPIC), request))
    )  # fmt: skip


def test_a_long_round_gets_a_mark_in_the_middle() -> None:
    calls = [ToolCall(f"c{number}", "f", "{}", {}) for number in range(12)]
    results = tool_results([ToolResult(call.id, "f", "x") for call in calls])
    body = body_of(
        endpoint(ANTHROPIC, cache_control=True), Request(system="s", messages=(user("go"), assistant(*calls), results))
    )

    assert 3 == marks(body)
    assert "cache_control" in body["messages"][-1]["content"][0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_request_gives_the_same_bytes(protocol: str) -> None:
    request = Request(system="s", messages=(user("go"), CALLS, RESULTS), tools=(TOOL,))

    assert len({json.dumps(body_of(endpoint(protocol), request)) for _ in range(3)}) == 1


def test_a_model_with_strange_letters_is_quoted_in_the_path() -> None:
    post = wire(GOOGLE).encode(Request(messages=(user("hi"),)), endpoint(GOOGLE, model="a b?c"), KEY, stream=True)

    assert post.url.endswith("/v1beta/models/a%20b%3Fc:streamGenerateContent?alt=sse")
