"""Whatever models say and tools do, a session stays paired and ends in one definite way."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attractor.runtime.agent.history import check_pairs, paired
from attractor.runtime.agent.inbox import Inbox
from attractor.runtime.agent.record import NOTHING, Record, Stage, find
from attractor.runtime.agent.session import Ended, Ports, Profile, Rules, Session
from attractor.runtime.agent.tools.contract import Bench, Cut, Refusal, Result, Tool
from attractor.runtime.agent.tools.dispatch import Toolbox
from attractor.runtime.llm.errors import ContextLength, LlmError, Network, Overloaded
from attractor.runtime.llm.messages import (
    ArgumentState,
    Finish,
    Message,
    Request,
    Response,
    Role,
    Text,
    TokenUsage,
    ToolCall,
    ToolResult,
)
from attractor.runtime.llm.wire import Endpoint
from attractor.runtime.plan import Api, Hooks
from attractor.runtime.steps.report_outcome import Desk

API = Api("anthropic_messages", "http://127.0.0.1:1", "/", "", {}, "anthropic", 0, False, {}, {})
ENDPOINT = Endpoint("p", "m", API)
WINDOW = 3_000  # tokens


class Stop:
    reason = ""

    def wait(self, seconds: float) -> bool:
        return bool(self.reason)


def _quiet(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    return Result("")


def _long(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    return Result("x" * 3_000)


def _odd(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    return Result("half a pair: \ud800, a nul: \0, blank: \u200b")


def _refuses(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    raise Refusal("no")


def _breaks(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    raise RuntimeError("a bug")


def _stops(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    bench.cancellation.reason = "stop"  # type: ignore[misc]
    return Result("stopped")


TOOLS: Mapping[str, Callable[..., Result]] = {
    "quiet": _quiet, "long": _long, "odd": _odd, "refuses": _refuses, "breaks": _breaks, "stops": _stops,
}  # fmt: skip
NAMES = st.sampled_from([*TOOLS, *TOOLS, "quiet", "quiet", "report_outcome", "nobody", "invalid_tool"])
IDS = st.sampled_from(["a", "b", "c", "", " ", "é"])
ARGUMENTS = st.sampled_from([{}, {"n": 1}, {"n": "1"}, {"n": "x"}, {"status": "success"}, {"status": "no"}])


@st.composite
def calls(draw: st.DrawFn) -> ToolCall:
    state = draw(st.sampled_from([ArgumentState.VALID] * 6 + [ArgumentState.MALFORMED, ArgumentState.TRUNCATED]))
    arguments = draw(ARGUMENTS) if state is ArgumentState.VALID else None
    return ToolCall(draw(IDS), draw(NAMES), '{"n"', arguments, state, "" if arguments is not None else "broken")


@st.composite
def responses(draw: st.DrawFn) -> Response:
    made = draw(st.lists(calls(), max_size=4))
    text = draw(st.sampled_from(["", " ", "Fine."]))
    finish = Finish.TOOL_CALLS if made else draw(st.sampled_from([*Finish]))
    parts = (*((Text(text),) if text else ()), *made)
    usage = TokenUsage(draw(st.sampled_from([None, 10, 2_950])), 5)
    return Response(id="r", provider="p", model="m", asked="m", parts=parts, finish=finish, usage=usage)


ERRORS = st.sampled_from([ContextLength, Network, Overloaded]).map(lambda kind: kind("went wrong"))
ANSWERS = st.lists(responses() | responses() | responses() | ERRORS, max_size=40)


class Model:
    """Answers as it was told; then it says the same for ever. What it is asked has to be paired."""

    def __init__(self, answers: list[Response | LlmError], seed: int) -> None:
        self._answers = answers
        self._more = random.Random(seed)
        self.asked = 0

    def ask(self, request_for: Callable[[Endpoint], Request]) -> Response:
        request = request_for(ENDPOINT)
        check_pairs(request.messages)
        self.asked += 1
        answer = self._answers.pop(0) if self._answers else _same(self._more.choice(["quiet", "long"]))
        if isinstance(answer, LlmError):
            raise answer
        return answer

    def hide(self, text: str) -> str:
        return text


def _same(name: str) -> Response:
    return Response(
        id="r", provider="p", model="m", asked="m", parts=(ToolCall("a", name, "{}", {}),), finish=Finish.TOOL_CALLS
    )


def play(folder: Path, answers: list[Response | LlmError], turns: int) -> tuple[Ended, Desk, Model]:
    stop, desk = Stop(), Desk(("success", "fail"))
    bench = Bench(folder, None, stop, {}, 1, 1, folder / "outputs")  # type: ignore[arg-type]
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    tools = [Tool(name, name, schema, Cut(500, "head"), name == "quiet", run) for name, run in TOOLS.items()]
    toolbox = Toolbox([*tools, desk.tool], bench, Hooks("", ""))
    model = Model(answers, turns)
    path = folder / "session.ndjson"
    path.unlink(missing_ok=True)
    with Record(path, Stage("a", 1, 1), NOTHING) as kept:
        ports = Ports(
            model, kept, lambda provider, name: Profile("system", (), toolbox), lambda: desk.outcome is not None,
            lambda: desk.outcome is not None, Inbox(), lambda kind, facts: None, lambda line: None, stop,
        )  # fmt: skip
        ended = Session(ports, Rules(turns, 3, None, None, {("p", "m"): WINDOW})).run("Go.")
        _hold(kept.messages)
        assert list(kept.messages) == list(find(path).messages)
    return ended, desk, model


def _hold(messages: Any) -> None:
    """Every call answered, whatever ended the session; the last message may be the model's last words."""
    check_pairs([*messages, Message(Role.USER, (Text("?"),))] if messages[-1].role is Role.ASSISTANT else messages)
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolResult):
                part.content.encode()
                assert part.content.strip()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS, turns=st.integers(1, 30))
def test_any_script_of_turns_stays_paired_and_ends(tmp_path: Path, answers: list[Any], turns: int) -> None:
    ended, _, model = play(tmp_path, list(answers), turns)

    assert model.asked <= 2 * turns  # each turn may be tried again after room was made
    outcome = ended.outcome
    assert outcome is None or (outcome.failure_reason and outcome.failure_class is not None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS, cut=st.integers(1, 5_000))
def test_a_conversation_cut_anywhere_is_found_paired(tmp_path: Path, answers: list[Any], cut: int) -> None:
    play(tmp_path, list(answers), 10)
    path = tmp_path / "session.ndjson"
    text = path.read_bytes()
    path.write_bytes(text[: cut % len(text)])

    found = find(path)

    assert not found.damaged
    messages = paired(found.messages)
    if messages:
        _hold(messages)
    with Record(path, Stage("b", 1, 1), found) as kept:
        assert messages == list(kept.messages)
    assert messages == list(find(path).messages)
