"""The simulator answers as the providers do: their own clients, in their strictest mode, are the judges."""

import base64
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def _neighbour(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


sdks = _neighbour("vendor_sdks")
# The clients' own business: what they import may be deprecated, and they close connections when collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIGNATURE = base64.b64encode(b"a signature").decode()
LS, CAT = {"command": "ls -l « été »"}, {"command": "cat 'a\nb'", "depth": {"levels": [1, 2.5, None]}}
USAGE = {"input": 100, "output": 40, "cache_read": 30, "reasoning": 12}
COUNTED = (70, 30, 40, 12)
FINISH = {  # our words, and each protocol's own
    "anthropic_messages": {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"},
    "openai_chat_completions": {"stop": "stop", "tool_calls": "tool_calls", "length": "length"},
    "openai_responses": {"stop": "completed", "tool_calls": "completed", "length": "max_output_tokens"},
    "google_generate_content": {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"},
}
ANSWERS = {
    "text": {"text": "Three files: été, 日本, 😀.", "usage": USAGE},
    "text in given pieces": {"text": ["Th", "ree", " files"], "finish": "length", "usage": USAGE},
    "thinking": {"thinking": "Let me see.", "signature": SIGNATURE, "text": "Three.", "usage": USAGE},
    "a call": {"tool_calls": [{"name": "shell", "arguments": LS}], "usage": USAGE},
    "a call without arguments": {"tool_calls": [{"name": "shell"}], "usage": USAGE},
    "thinking, text and parallel calls": {
        "thinking": "Two things at once, and at some length.",
        "signature": SIGNATURE,
        "text": "I look.",
        "tool_calls": [{"name": "shell", "arguments": LS}, {"name": "shell", "arguments": CAT, "fragments": 9}],
        "usage": USAGE,
    },
}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("protocol", sdks.ASK)
def test_the_vendors_client_understands_all_of_it(
    simulator: Any, protocol: str, answer: dict[str, Any], stream: bool
) -> None:
    simulator.script(answer)
    calls = [(call["name"], call.get("arguments", {})) for call in answer.get("tool_calls", ())]
    signed = "thinking" in answer and protocol != "openai_chat_completions"  # which has no such thing
    if protocol == "google_generate_content":
        signed = signed and bool(calls)  # the signature of a thought stands on the call after it
    finish = answer.get("finish", "tool_calls" if calls else "stop")

    seen = sdks.ASK[protocol](simulator.url, stream=stream)

    signature = "a signature" if protocol == "google_generate_content" else SIGNATURE
    expected = sdks.Seen(
        _text(answer.get("text", "")),
        answer.get("thinking", ""),
        signature if signed else "",
        calls,
        FINISH[protocol][finish],
        COUNTED,
    )
    assert expected == seen


def test_anthropics_beta_interface_understands_it_too(simulator: Any) -> None:
    simulator.script(ANSWERS["thinking, text and parallel calls"], ANSWERS["text"])

    first = sdks.ask_anthropic(simulator.url, stream=True, betas=True)
    second = sdks.ask_anthropic(simulator.url, stream=False, betas=True)

    assert (2, ANSWERS["text"]["text"]) == (len(first.calls), second.text)


ANTHROPIC_ERRORS = {
    "invalid_request": "BadRequestError",
    "context_length": "BadRequestError",
    "content_filter": "BadRequestError",
    "quota": "BadRequestError",
    "authentication": "AuthenticationError",
    "permission": "PermissionDeniedError",
    "model_not_found": "NotFoundError",
    "conflict": "ConflictError",
    "rate_limit": "RateLimitError",
    "server_error": "InternalServerError",
    "timeout": "InternalServerError",
    "overloaded": "InternalServerError",
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("kind", "name"), ANTHROPIC_ERRORS.items(), ids=ANTHROPIC_ERRORS)
def test_anthropics_client_raises_its_own_error(simulator: Any, kind: str, name: str, stream: bool) -> None:
    import anthropic

    simulator.script({"error": {"kind": kind, "retry_after": {"s": 7}}})

    with pytest.raises(getattr(anthropic, name)) as caught:
        sdks.ask_anthropic(simulator.url, stream=stream)

    assert "7" == caught.value.response.headers["retry-after"]
    assert "req_sim000001" == caught.value.request_id
    assert "error" == caught.value.body["type"]


OPENAI_ERRORS = {
    "invalid_request": ("BadRequestError", None),
    "context_length": ("BadRequestError", "context_length_exceeded"),
    "content_filter": ("BadRequestError", "content_policy_violation"),
    "quota": ("RateLimitError", "insufficient_quota"),
    "authentication": ("AuthenticationError", "invalid_api_key"),
    "permission": ("PermissionDeniedError", "unsupported_country_region_territory"),
    "model_not_found": ("NotFoundError", "model_not_found"),
    "conflict": ("ConflictError", None),
    "rate_limit": ("RateLimitError", "rate_limit_exceeded"),
    "server_error": ("InternalServerError", None),
    "timeout": ("InternalServerError", None),
    "overloaded": ("InternalServerError", "server_is_overloaded"),
}


@pytest.mark.parametrize("protocol", ["openai_chat_completions", "openai_responses"])
@pytest.mark.parametrize(("kind", "raised"), OPENAI_ERRORS.items(), ids=OPENAI_ERRORS)
def test_openais_client_raises_its_own_error(simulator: Any, protocol: str, kind: str, raised: tuple[str, Any]) -> None:
    import openai

    simulator.script({"error": {"kind": kind}})

    with pytest.raises(getattr(openai, raised[0])) as caught:
        sdks.ASK[protocol](simulator.url, stream=True)

    assert raised[1] == caught.value.code
    assert "req_sim000001" == caught.value.request_id


GOOGLE_ERRORS = {
    "invalid_request": (400, "INVALID_ARGUMENT"),
    "context_length": (400, "INVALID_ARGUMENT"),
    "authentication": (400, "INVALID_ARGUMENT"),
    "permission": (403, "PERMISSION_DENIED"),
    "model_not_found": (404, "NOT_FOUND"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "server_error": (500, "INTERNAL"),
    "overloaded": (503, "UNAVAILABLE"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("kind", "raised"), GOOGLE_ERRORS.items(), ids=GOOGLE_ERRORS)
def test_googles_client_raises_its_own_error(simulator: Any, kind: str, raised: tuple[int, str], stream: bool) -> None:
    from google.genai import errors

    simulator.script({"error": {"kind": kind, "retry_after": {"dialect": "retry_info", "s": 37}}}, repeat_last())

    with pytest.raises(errors.ClientError if raised[0] < 500 else errors.ServerError) as caught:
        sdks.ask_google(simulator.url, stream=stream)

    assert raised == (caught.value.code, caught.value.status)
    assert "37s" == caught.value.details["error"]["details"][-1]["retryDelay"]


def repeat_last() -> dict[str, Any]:
    return {"repeat": "always", "error": {"kind": "server_error", "message": "asked more than once"}}


def test_an_error_inside_a_stream_is_one_to_the_clients(simulator: Any) -> None:
    import anthropic
    import openai
    from google.genai import errors

    error = {"kind": "overloaded", "in_stream": "event"}
    simulator.script({"repeat": "always", "text": "half of it", "error": error})

    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        sdks.ask_anthropic(simulator.url, stream=True)
    with pytest.raises(openai.APIError, match="overloaded"):
        sdks.ask_chat(simulator.url, stream=True)
    with sdks.openai_client(simulator.url) as client:
        *_, last = client.responses.create(model="m", input="x", stream=True)  # this one hands the error on
    assert ("error", "server_is_overloaded") == (last.type, last.code)
    with pytest.raises(errors.APIError, match="overloaded"):
        sdks.ask_google(simulator.url, stream=True)


def test_a_failed_response_is_one_to_the_client(simulator: Any) -> None:
    simulator.script({"text": "half", "error": {"kind": "rate_limit", "in_stream": "failed"}})
    with sdks.openai_client(simulator.url) as client:
        *_, last = client.responses.create(model="m", input="x", stream=True)

    assert ("response.failed", "rate_limit_exceeded") == (last.type, last.response.error.code)


def test_refusals_are_those_of_the_vendors(simulator: Any) -> None:
    simulator.script({"repeat": "always", "text": "I will not.", "finish": "content_filter"})
    with sdks.anthropic_client(simulator.url) as client:
        message = client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    with sdks.openai_client(simulator.url) as client:
        chat = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        with client.responses.stream(model="m", input="x") as events:
            for _ in events:
                pass
            response = events.get_final_response()

    assert ("refusal", "refusal") == (message.stop_reason, message.stop_details.type)
    assert "I will not." == chat.choices[0].message.refusal
    assert "I will not." == response.output[0].content[0].refusal


def test_models_and_token_counts_are_answered(simulator: Any) -> None:
    with sdks.anthropic_client(simulator.url) as client:
        models = client.models.list(limit=5)
        count = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x"}])
        one = client.models.retrieve("claude-x")
    with sdks.openai_client(simulator.url) as client:
        listed = [model.id for model in client.models.list()]
    with sdks.google_client(simulator.url) as client:
        google = [model.name for model in client.models.list()]

    assert ("simulated-model", 25, "claude-x") == (models.data[0].id, count.input_tokens, one.id)
    assert (["simulated-model"], ["models/simulated-model"]) == (listed, google)
