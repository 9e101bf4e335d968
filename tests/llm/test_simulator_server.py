"""The simulator's plain answers, errors and faults, seen through a bare client."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import sseclient

from attractor.runtime.simulator.scenario import read_answer

REQUESTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "anthropic_messages": ("/v1/messages?beta=true", {"messages": [{"role": "user", "content": "hi"}]}),
    "openai_chat_completions": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "openai_responses": ("/v1/responses", {"input": "hi"}),
    "google_generate_content": (
        "/v1beta/models/m:{verb}",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    ),
}


def post(url: str, protocol: str, *, stream: bool, key: str = "k") -> requests.Response:
    path, body = REQUESTS[protocol]
    path = path.replace("{verb}", "streamGenerateContent?alt=sse" if stream else "generateContent")
    if protocol != "google_generate_content":
        body = {**body, "model": "m", "stream": stream}
    return requests.post(url + path, json=body, headers={"x-api-key": key}, stream=stream, timeout=10)


@pytest.mark.parametrize("protocol", REQUESTS)
def test_without_a_scenario_every_request_gets_a_fixed_text(simulator: Any, protocol: str) -> None:
    with post(simulator.url, protocol, stream=False) as whole, post(simulator.url, protocol, stream=True) as stream:
        events = [event.data for event in sseclient.SSEClient(stream).events()]

        assert "This is the simulator." in whole.text
        assert len(events) > 2


def test_requests_are_recorded_with_their_keys_hidden(simulator: Any) -> None:
    post(simulator.url, "anthropic_messages", stream=False, key="canary-1234")
    document = requests.get(simulator.url + "/_simulator/requests", timeout=10)

    (request,) = document.json()["requests"]
    assert ("POST", "/v1/messages?beta=true", "***", "hi") == (
        request["method"], request["path"], request["headers"]["x-api-key"], request["body"]["messages"][0]["content"]
    )  # fmt: skip
    assert "canary" not in document.text
    assert json.loads(document.text)["requests"][0]["protocol"] == simulator.requests[0].protocol


def test_answers_are_given_in_order_and_a_request_too_many_is_refused(simulator: Any) -> None:
    simulator.script({"text": "one"}, {"text": "two"})
    answers = [post(simulator.url, "anthropic_messages", stream=False) for _ in range(3)]

    assert [200, 200, 400] == [answer.status_code for answer in answers]
    assert ["one", "two"] == [answer.json()["content"][0]["text"] for answer in answers[:2]]
    assert "no answer left" in answers[2].json()["error"]["message"]


@pytest.mark.parametrize("path", [path.replace("{verb}", "generateContent") for path, _ in REQUESTS.values()])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[1]", b'{"messages": 1, "contents": "x", "input": {}}', b'{"messages": [{"role": "user"}, 2]}',
     b'{"model": ["m"], "messages": [{"role": "user", "content": {"a": 1}}]}', b"[" * 100_000, b"\xff\xfe"],
)  # fmt: skip
def test_any_body_is_answered(simulator: Any, path: str, body: bytes) -> None:
    assert 200 == requests.post(simulator.url + path, data=body, timeout=10).status_code


def test_half_a_letter_is_sent_as_an_escape(simulator: Any) -> None:
    simulator.script({"repeat": "always", "text": "\ud83d"})
    for protocol in REQUESTS:
        for stream in (False, True):
            with post(simulator.url, protocol, stream=stream) as answer:
                assert rb'"\ud83d"' in answer.content


SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "simulator.schema.json").read_text())


def test_the_schema_holds_the_defaults_that_are_in_force() -> None:
    answer = read_answer({})
    usage, dialect, delivery = (
        {name: part["default"] for name, part in properties.items() if "default" in part}
        for properties in (
            SCHEMA["definitions"]["answer"]["properties"]["usage"]["properties"],
            SCHEMA["definitions"]["dialect"]["properties"],
            SCHEMA["definitions"]["delivery"]["properties"],
        )
    )

    assert usage == answer.usage._asdict()
    assert list(dialect.values()) == list(answer.dialect)
    line_ends = {"\n": "lf", "\r\n": "crlf", "\r": "cr"}
    told = answer.delivery._asdict() | {"line_end": line_ends[answer.delivery.line_end]}
    assert delivery == {name: told[name] for name in delivery}
    assert 1 == answer.repeat == SCHEMA["definitions"]["answer"]["properties"]["repeat"]["default"]


def test_the_schema_describes_everything_and_its_examples_fit() -> None:
    from jsonschema import Draft7Validator

    Draft7Validator.check_schema(SCHEMA)
    told, stack = 0, [SCHEMA]
    while stack:
        part = stack.pop()
        for name, each in part.get("properties", {}).items():
            described = each.get("description") or "$ref" in each
            assert described, name
            told += 1
        stack += [each for each in [*part.values(), *part.get("definitions", {}).values()] if isinstance(each, dict)]
        stack += [each for each in part.get("properties", {}).values() if isinstance(each, dict)]
    assert told > 80
    for example in SCHEMA["properties"]["answers"]["examples"]:
        assert [] == list(Draft7Validator(SCHEMA).iter_errors({"version": 1, "answers": example}))
