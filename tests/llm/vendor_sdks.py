"""The vendors' own Python clients, each reduced to: ask once, say what came back.

They are imported where they are used: each takes about a second to load.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

QUESTION = "What is in this folder?"
TOOL = {
    "name": "shell",
    "description": "Run a command.",
    "schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}


class Seen(NamedTuple):
    """What a client says it received."""

    text: str
    thinking: str
    signature: str
    calls: list[tuple[str, Mapping[str, Any]]]
    finish: str
    usage: tuple[int, int, int, int]  # input without cache and cached input, output, reasoning


def anthropic_client(url: str) -> Any:
    import anthropic

    return anthropic.Anthropic(base_url=url, api_key="k", max_retries=0, _strict_response_validation=True)


def openai_client(url: str) -> Any:
    import openai

    return openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0, _strict_response_validation=True)


def google_client(url: str) -> Any:
    from google import genai
    from google.genai import types

    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, timeout=20_000))


def ask_anthropic(url: str, *, stream: bool, betas: bool = False) -> Seen:
    with anthropic_client(url) as client:
        messages = client.beta.messages if betas else client.messages
        asked: dict[str, Any] = {
            "model": "claude-test",
            "max_tokens": 1000,
            "messages": [{"role": "user", "content": QUESTION}],
            "tools": [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}],
        }
        if stream:
            with messages.stream(**asked) as events:
                for _ in events:
                    pass
                message = events.get_final_message()
        else:
            message = messages.create(**asked)
    usage = message.usage
    details = usage.output_tokens_details
    blocks: dict[str, list[Any]] = {}
    for block in message.content:
        blocks.setdefault(block.type, []).append(block)
    assert ("assistant", "message", "claude-test") == (message.role, message.type, message.model)
    return Seen(
        "".join(block.text for block in blocks.get("text", ())),
        "".join(block.thinking for block in blocks.get("thinking", ())),
        "".join(block.signature for block in blocks.get("thinking", ())),
        [(block.name, block.input) for block in blocks.get("tool_use", ())],
        message.stop_reason,
        (
            usage.input_tokens + usage.cache_creation_input_tokens,
            usage.cache_read_input_tokens,
            usage.output_tokens,
            details.thinking_tokens if details else 0,
        ),
    )


def ask_chat(url: str, *, stream: bool) -> Seen:
    import openai

    with openai_client(url) as client:
        asked: dict[str, Any] = {
            "model": "gpt-test",
            "messages": [{"role": "user", "content": QUESTION}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": TOOL["name"],
                        "description": TOOL["description"],
                        "parameters": TOOL["schema"],
                    },
                }
            ],
        }
        if stream:
            with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
                thinking = ""
                try:
                    for event in events:
                        if event.type == "chunk" and event.chunk.choices:
                            thinking += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
                    answer = events.get_final_completion()
                except openai.LengthFinishReasonError as error:
                    answer = error.completion
        else:
            answer = client.chat.completions.create(**asked)
            thinking = getattr(answer.choices[0].message, "reasoning_content", "")
    (choice,) = answer.choices
    usage = answer.usage
    cached = usage.prompt_tokens_details.cached_tokens
    return Seen(
        choice.message.content or "",
        thinking,
        "",
        [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()],
        choice.finish_reason,
        (
            usage.prompt_tokens - cached,
            cached,
            usage.completion_tokens,
            usage.completion_tokens_details.reasoning_tokens,
        ),
    )


def ask_responses(url: str, *, stream: bool) -> Seen:
    with openai_client(url) as client:
        asked: dict[str, Any] = {
            "model": "gpt-test",
            "input": QUESTION,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "tools": [
                {
                    "type": "function",
                    "name": TOOL["name"],
                    "description": TOOL["description"],
                    "parameters": TOOL["schema"],
                    "strict": False,
                }
            ],
        }
        if stream:
            with client.responses.stream(**asked) as events:
                *_, last = events
            answer = last.response  # the last record is completed, incomplete or failed
        else:
            answer = client.responses.create(**asked)
    usage = answer.usage
    cached = usage.input_tokens_details.cached_tokens
    reasoning = [item for item in answer.output if item.type == "reasoning"]
    return Seen(
        answer.output_text,
        "".join(part.text for item in reasoning for part in item.summary),
        "".join(item.encrypted_content for item in reasoning),
        [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"],
        answer.incomplete_details.reason if answer.incomplete_details else answer.status,
        (usage.input_tokens - cached, cached, usage.output_tokens, usage.output_tokens_details.reasoning_tokens),
    )


def ask_google(url: str, *, stream: bool) -> Seen:
    from google.genai import types

    declaration = types.FunctionDeclaration(
        name=TOOL["name"], description=TOOL["description"], parameters_json_schema=TOOL["schema"]
    )
    asked: dict[str, Any] = {
        "model": "gemini-test",
        "contents": QUESTION,
        "config": types.GenerateContentConfig(
            tools=[types.Tool(function_declarations=[declaration])],
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        ),
    }
    with google_client(url) as client:
        if stream:
            chunks = list(client.models.generate_content_stream(**asked))
        else:
            chunks = [client.models.generate_content(**asked)]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    usage = chunks[-1].usage_metadata
    cached = usage.cached_content_token_count or 0
    signatures = [part.thought_signature for part in parts if part.thought_signature]
    return Seen(
        "".join(part.text for part in parts if part.text and not part.thought),
        "".join(part.text for part in parts if part.text and part.thought),
        signatures[0].decode() if signatures else "",
        [(part.function_call.name, part.function_call.args) for part in parts if part.function_call],
        chunks[-1].candidates[0].finish_reason.value,
        (
            usage.prompt_token_count - cached,
            cached,
            usage.candidates_token_count + (usage.thoughts_token_count or 0),
            usage.thoughts_token_count or 0,
        ),
    )


ASK: Mapping[str, Callable[..., Seen]] = {
    "anthropic_messages": ask_anthropic,
    "openai_chat_completions": ask_chat,
    "openai_responses": ask_responses,
    "google_generate_content": ask_google,
}
