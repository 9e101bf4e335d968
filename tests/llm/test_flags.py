"""What differs between vendors is data of the plan: complete, and read by nobody but the protocols."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attractor.compiler.providers import known_protocols
from attractor.runtime.llm import protocols
from attractor.runtime.llm.failover import endpoints
from attractor.runtime.llm.messages import Request, user
from attractor.runtime.llm.protocols import PROTOCOLS, protocol
from attractor.runtime.plan import Model
from attractor.runtime.read_plan import PlanError, digest, read_plan

from .talking import plan_of

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas/plan.schema.json").read_text())


def _source(name: str) -> str:
    folder = Path(str(protocols.__file__)).parent
    return (folder / f"{PROTOCOLS[name].removeprefix('.')}.py").read_text()


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_catalogue_schema_and_protocol_know_the_same_flags(name: str) -> None:
    required = set(SCHEMA["definitions"][f"{name}_flags"]["required"])
    read = set(re.findall(r'flag\((?:self\.)?endpoint, "(\w+)"\)', _source(name)))
    if "max_tokens(endpoint" in _source(name):
        read.add("max_tokens_default")

    assert required == set(SCHEMA["definitions"][f"{name}_some_flags"]["properties"])
    assert required == set(known_protocols()[name].flags)
    assert required == read


def test_every_protocol_of_the_plan_is_spoken() -> None:
    assert set(SCHEMA["definitions"]["api"]["properties"]["protocol"]["enum"]) == set(PROTOCOLS)
    for name in PROTOCOLS:
        spoken: Any = protocol(name)
        assert all(callable(getattr(spoken, door)) for door in ("encode", "decode", "decode_complete", "error"))


def _spoil(folder: Path, spoil: Callable[[dict[str, Any]], object]) -> bytes:
    plan_of(folder, "http://127.0.0.1:9", {"anthropic": "[]"})
    document = json.loads((folder / "p.plan.json").read_text())
    spoil(document["providers"]["anthropic"]["api"])
    return json.dumps({**document, "digest": digest(document)}).encode()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda api: api["flags"].pop("thinking"), "providers/anthropic/api/flags: 'thinking' is a required property"),
        (lambda api: api["flags"].update(thinking="deep"), "providers/anthropic/api/flags/thinking: 'deep' is not one"),
        (lambda api: api["flags"].update(colour="red"), "providers/anthropic/api/flags: Additional properties are not"),
        (lambda api: api.pop("model_flags"), "providers/anthropic/api: 'model_flags' is a required property"),
        (lambda api: api.update(model_flags={"m": {"thinking": 1}}), "providers/anthropic/api/model_flags/m/thinking"),
    ],
)
def test_a_plan_without_what_a_protocol_needs_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    with pytest.raises(PlanError) as raised:
        read_plan(_spoil(tmp_path, spoil), "the plan")

    assert f"the plan is not a valid plan: {complaint}" in str(raised.value)


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 24_000}}),
    ],
)
def test_a_models_own_flags_go_before_its_providers(tmp_path: Path, model: str, sent: dict[str, Any]) -> None:
    plan = plan_of(
        tmp_path, "http://127.0.0.1:9", {"zai": f"[{{provider: anthropic, model: {model}}}]", "anthropic": "[]"}
    )
    (endpoint,) = endpoints([Model("anthropic", model)], plan.providers)
    request = Request(messages=(user("hi"),), reasoning_effort="high")

    body = protocol("anthropic_messages").encode(request, endpoint, "k", stream=True).body

    assert sent == {key: body[key] for key in ("thinking", "output_config") if key in body}


def test_vendors_differ_as_the_catalogue_says(tmp_path: Path) -> None:
    vendors = {
        "deepseek": ("deepseek-reasoner", {"echo_reasoning": True, "reasoning_out": "reasoning_content"}),
        "moonshot-platform": ("kimi-k2.5", {"max_tokens_key": "max_completion_tokens", "strict_tools": False}),
        "openrouter": ("any/model", {"reasoning_out": "reasoning", "echo_reasoning": False}),
        "vllm": ("qwen3", {"stream_options": True, "needs_done": False}),
        "ollama": ("qwen3", {"stream_options": True, "needs_done": False}),
        "zai": ("glm-4.7", {"tool_stream": True, "clear_thinking": None, "effort_key": ""}),
    }
    chain = ", ".join(f"{{provider: {key}, model: {model}}}" for key, (model, _) in vendors.items())
    plan = plan_of(tmp_path, "http://127.0.0.1:9", {"kimi": f"[{chain}]", **dict.fromkeys(vendors, "[]")}, first="kimi")

    for key, (_, expected) in vendors.items():
        api = plan.providers[key].api
        assert api is not None
        assert expected == {name: api.flags[name] for name in expected}, key
        assert (api.api_key_env == "") == (key in {"vllm", "ollama"})
    kimi = plan.providers["kimi"].api
    assert kimi is not None
    assert ("anthropic_messages", True, 16_000, False) == (
        kimi.protocol, kimi.force_stream, kimi.max_tokens_floor, kimi.flags["cache_control"]
    )  # fmt: skip
