"""The simulator's plain answers, errors and faults, seen through a bare client."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import sseclient

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
