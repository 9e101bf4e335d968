"""An agent session: ask, run the calls, put the results into the conversation, ask again, until it ends.

It always ends, and in a definite way: with what the model reported, with its last words, or with a failure that says
why. Whatever happens in between, a signal included, the conversation stays paired.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from ..llm.errors import ContextLength, LlmError, outcome_of
from ..llm.messages import (
    Finish,
    Message,
    Request,
    Response,
    ToolCall,
    ToolDefinition,
    tool_results,
    user,
)
from ..llm.wire import Endpoint
from ..outcome import FailureClass, Json, Outcome
from ..world import Cancellation
from .guards import Circle, Guards
from .history import check_pairs, interrupted
from .inbox import Inbox
from .tools.dispatch import Answered, Toolbox
from .window import ACT_AT, ROOM_AT, WARN_AT, Gauge, stub_outputs

GO_ON: Final = "Your answer was cut off at its output limit. Go on where it ends; make large changes in smaller pieces."
SAY_SOMETHING: Final = "Your answer was empty. Go on with the stage, or call report_outcome if it is done."
REPORT: Final = (
    "You have not said how the stage ended. Call report_outcome now, with what is true, and nothing else; "
    "if the work is not finished, finish it first."
)
_SHOWN_CHARS: Final = 120
_EVENT_CHARS: Final = 1_000_000  # of an output; what is longer is in a file


class Profile(NamedTuple):
    """What a family of models is given. It stays the same for the whole session."""

    system: str
    definitions: tuple[ToolDefinition, ...]
    toolbox: Toolbox


class Asks(Protocol):
    """Whoever answers requests: a `Conversation`."""

    def ask(self, request: Callable[[Endpoint], Request]) -> Response: ...

    def hide(self, text: str) -> str: ...


class Keeps(Protocol):
    """Where the conversation is kept: a `Record`."""

    @property
    def messages(self) -> Sequence[Message]: ...

    def add(self, message: Message) -> Message: ...

    def replace(self, messages: Sequence[Message]) -> None: ...


class Rules(NamedTuple):
    """What bounds and shapes a session; the plan's values."""

    max_turns: int
    malformed_limit: int
    max_tokens: int | None
    reasoning_effort: str | None
    contexts: Mapping[tuple[str, str], int]  # tokens, by provider and model; those that are known


class Ports(NamedTuple):
    """What a session works through."""

    model: Asks
    record: Keeps
    profile: Callable[[str, str], Profile]  # of provider and model
    reported: Callable[[], bool]  # report_outcome was called, and understood
    told: Callable[[], bool]  # the stage has said how it ended, in whatever way
    inbox: Inbox
    tell: Callable[[str, Mapping[str, Json]], None]  # a session event: its kind and facts
    show: Callable[[str], None]  # a line for who watches
    cancellation: Cancellation


class Ended(NamedTuple):
    """How a session ended. `outcome` None: normally; what was reported counts, or nothing was."""

    outcome: Outcome | None
    text: str  # the model's last words
    is_spent: bool = False  # whoever goes on with this conversation would only end in the same way


class Session:
    def __init__(self, ports: Ports, rules: Rules) -> None:
        self._ports = ports
        self._rules = rules
        self._guards = Guards(rules.malformed_limit)
        self._gauge: Gauge | None = None
        self._turns = 0
        self._nudges: set[str] = set()
        self._warned = False
        self._text = ""

    def run(self, prompt: str) -> Ended:
        """Answer the prompt. Raises nothing for what models, tools and workspaces do."""
        self._say(prompt, "USER_INPUT")
        while True:
            ended = self._turn()
            if ended is not None:
                outcome = ended.outcome
                self._ports.tell("PROCESSING_END", {"outcome": outcome.word if outcome else "ended"})
                return ended

    def _turn(self) -> Ended | None:
        """Ask once and do what comes back; return how the session ended, if it did."""
        for text in self._ports.inbox.steering():
            self._steer(text)
        refused = self._may_ask()
        if refused is not None:
            return refused
        try:
            response = self._ask()
        except LlmError as error:
            return Ended(outcome_of(error), self._text, isinstance(error, ContextLength))
        message = self._ports.record.add(response.message)
        if self._gauge is not None:
            self._gauge.counted(response, len(self._ports.record.messages))
        self._heard(response)
        return self._round(message, response) if message.calls else self._pause(response)

    # asking

    def _may_ask(self) -> Ended | None:
        reason = self._ports.cancellation.reason
        if reason:
            return self._canceled(reason)
        if self._turns < self._rules.max_turns:
            return None
        limit = self._rules.max_turns
        self._ports.tell("TURN_LIMIT", {"limit": "max_agent_turns", "value": limit})
        if self._ports.told():
            return Ended(None, self._text)
        reason = f"turn limit reached: max_agent_turns is {limit}; raise it on the node or under runtime_policy"
        return Ended(_failed(reason, FailureClass.BUDGET_EXHAUSTED, "turn limit"), self._text)

    def _canceled(self, reason: str) -> Ended:
        return Ended(_failed(f"canceled: {reason}", FailureClass.CANCELED, "canceled"), self._text)

    def _ask(self) -> Response:
        """Return the next response; when the context is too small for the request, make room once. Raises LlmError."""
        self._turns += 1
        try:
            return self._ports.model.ask(self._request)
        except ContextLength as error:
            if not self._make_room(0.0, f"the provider refused it: {error.message}"):
                raise
            return self._ports.model.ask(self._request)

    def _request(self, endpoint: Endpoint) -> Request:
        """Return what to ask whom: history is everybody's, prompt and tools are the family's."""
        profile = self._ports.profile(endpoint.provider, endpoint.model)
        self._watch_window(endpoint, profile)
        messages = tuple(self._ports.record.messages)
        check_pairs(messages)
        return Request(
            system=profile.system,
            messages=messages,
            tools=profile.definitions,
            max_tokens=self._rules.max_tokens,
            reasoning_effort=self._rules.reasoning_effort,
        )

    # the model's context

    def _watch_window(self, endpoint: Endpoint, profile: Profile) -> None:
        """Warn when the context fills, and make room before it is full."""
        if self._gauge is None:
            tools = sum(len(tool.description) + len(str(tool.parameters)) for tool in profile.definitions)
            self._gauge = Gauge(len(profile.system) + tools)
        window = self._rules.contexts.get((endpoint.provider, endpoint.model))
        if window is None:
            return
        tokens = self._gauge.tokens(self._ports.record.messages)
        if tokens >= WARN_AT * window and not self._warned:
            self._warned = True
            share = round(100 * tokens / window)
            self._warn("context", f"about {tokens} of {endpoint.model}'s {window} tokens are used ({share} %)")
        if tokens >= ACT_AT * window:
            self._make_room(ROOM_AT * window, f"about {tokens} of {window} tokens were used")

    def _make_room(self, leave: float, why: str) -> bool:
        """Take old outputs out until `leave` tokens are left, 0: until six tenths are; return whether any went."""
        messages = self._ports.record.messages
        tokens = self._gauge.tokens(messages) if self._gauge else 0
        stubbed = stub_outputs(messages, round(tokens - (leave or ROOM_AT * tokens)))
        if not stubbed.outputs:
            return False
        self._ports.record.replace(stubbed.messages)
        if self._gauge is not None:
            self._gauge.forget()
        self._warn("context", f"{stubbed.outputs} old outputs were taken out of the conversation: {why}")
        return True

    # what comes back

    def _heard(self, response: Response) -> None:
        text = response.text
        if text.strip():
            self._text = text
            self._ports.show(text)
        self._ports.tell("ASSISTANT_TEXT_END", {"text": text, "tool_call_count": len(response.calls)})

    def _round(self, message: Message, response: Response) -> Ended | None:
        """Run the calls of a turn; return how the session ended, if that ends it."""
        calls = message.calls
        answers = self._answer(calls, self._ports.profile(response.provider, response.asked).toolbox)
        self._ports.record.add(tool_results([answered.result for answered in answers]))
        self._nudges -= {"cut", "empty"}
        if self._ports.reported():
            return Ended(None, self._text)
        if reason := self._ports.cancellation.reason:
            return self._canceled(reason)
        verdict = self._guards.after(calls, answers)
        if isinstance(verdict, Outcome):
            self._ports.tell("ERROR", {"kind": verdict.failure_signature, "message": verdict.failure_reason})
            return Ended(verdict, self._text, is_spent=True)
        if isinstance(verdict, Circle):
            self._ports.tell("LOOP_DETECTION", {"message": verdict.advice, "signature": verdict.signature})
            self._steer(verdict.advice)
        return None

    def _answer(self, calls: Sequence[ToolCall], toolbox: Toolbox) -> list[Answered]:
        """Answer every call, keys taken out. What stops the process in the middle of it still leaves them paired."""
        answers: list[Answered] = []

        def ended(call: ToolCall, answered: Answered) -> None:
            answers.append(self._without_keys(answered))
            self._tell_end(call, answers[-1])

        try:
            toolbox.run_batch(calls, self._tell_start, ended)
        except BaseException:
            known = [answered.result for answered in answers]
            self._ports.record.add(tool_results([*known, *map(interrupted, calls[len(known) :])]))
            raise
        return answers

    def _without_keys(self, answered: Answered) -> Answered:
        """Return the answer as it may be kept; a file of the whole output is mended, too."""
        if answered.full is not None:
            whole = answered.full.read_text("utf-8", "replace")
            hidden = self._ports.model.hide(whole)
            if hidden != whole:
                answered.full.write_text(hidden, "utf-8")
        content = self._ports.model.hide(answered.result.content)
        return answered._replace(result=answered.result._replace(content=content))

    def _tell_start(self, call: ToolCall) -> None:
        facts: dict[str, Json] = {"tool_name": call.name, "call_id": call.id, "arguments": call.arguments}
        self._ports.tell("TOOL_CALL_START", facts | ({} if call.arguments is not None else {"raw": call.raw}))
        self._ports.show(_in_a_line(call))

    def _tell_end(self, call: ToolCall, answered: Answered) -> None:
        for note in answered.notes:
            self._warn("tool", f"{call.name} ({call.id}): {note}")
        facts: dict[str, Json] = {
            "tool_name": call.name,
            "call_id": call.id,
            "is_error": answered.result.is_error,
            "ending": str(answered.ending),
            "duration_ms": answered.duration_ms,
            "full_output": answered.result.content,
        }
        if answered.full is not None:
            facts |= {"truncated": True, "chars": answered.chars, "file": str(answered.full)}
            if answered.chars <= _EVENT_CHARS:
                facts["full_output"] = answered.full.read_text("utf-8", "replace")
        self._ports.tell("TOOL_CALL_END", facts)

    def _pause(self, response: Response) -> Ended | None:
        """The model called nothing: it is done, or has to be asked to go on."""
        detail = f" ({response.finish_detail})" if response.finish_detail else ""
        match response.finish:
            case Finish.CONTENT_FILTER:
                return self._unusable(f"refused to answer{detail}", FailureClass.DETERMINISTIC)
            case Finish.ERROR:
                return self._unusable(f"ended in an error{detail}", FailureClass.TRANSIENT_INFRA)
            case Finish.LENGTH:
                what = f"was cut off at its output limit twice running{detail}; raise max_tokens"
                return self._nudge("cut", GO_ON, self._unusable(what, FailureClass.BUDGET_EXHAUSTED))
            case Finish.STOP | Finish.TOOL_CALLS | Finish.OTHER:
                pass
        if not response.text.strip() or (response.finish is Finish.OTHER and detail):
            ended = f"ended early twice running{detail}" if detail else "said nothing at all, twice running"
            return self._nudge("empty", SAY_SOMETHING, self._unusable(ended, FailureClass.TRANSIENT_INFRA))
        if follow_up := self._ports.inbox.follow_up():
            self._say(follow_up, "USER_INPUT")
            return None
        if self._ports.told():
            return Ended(None, self._text)
        return self._nudge("report", REPORT, Ended(None, self._text))

    def _unusable(self, what: str, failure_class: FailureClass) -> Ended:
        return Ended(Outcome.failed(f"the model {what}", failure_class), self._text)

    def _nudge(self, about: str, text: str, otherwise: Ended) -> Ended | None:
        """Ask once for what is missing; the second time the session ends as `otherwise` says."""
        if about in self._nudges:
            return otherwise
        self._nudges.add(about)
        self._steer(text)
        return None

    # saying

    def _say(self, text: str, kind: str) -> None:
        self._ports.record.add(user(text))
        self._ports.tell(kind, {"content": text})

    def _steer(self, text: str) -> None:
        self._say(text, "STEERING_INJECTED")

    def _warn(self, code: str, message: str) -> None:
        self._ports.tell("WARNING", {"code": code, "message": message})


def _failed(reason: str, failure_class: FailureClass, signature: str) -> Outcome:
    return Outcome.failed(reason, failure_class, failure_signature=signature)


def _in_a_line(call: ToolCall) -> str:
    """Return a call as people are shown it: its name and the first text among its arguments."""
    about = next((value for value in (call.arguments or {}).values() if isinstance(value, str)), "")
    line = about.strip().partition("\n")[0]
    return f"[{call.name}] {line[:_SHOWN_CHARS]}".rstrip()
