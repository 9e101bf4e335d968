"""What ends a session that gets nowhere: broken calls, errors and circles, each repeated too often.

A guard speaks after the results of a round are in the history, so that the conversation stays whole. What it ends
fails for good: asking again, or asking somebody else, would only repeat it.
"""

import hashlib
import json
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..llm.messages import ToolCall
from ..outcome import FailureClass, Outcome
from .tools.dispatch import Answered, Ending

SAME_ERRORS: Final = 3  # rounds
MOST_MALFORMED: Final = 10  # calls in a session
WINDOW: Final = 10  # calls
_PERIODS: Final = (1, 2, 3)
_QUOTED_CHARS: Final = 300

ADVICE: Final = (
    "You are going round in circles: your last {calls} calls repeat each other and so do their results. "
    "Stop repeating them. Look at what you know and try something else, or call report_outcome and say what is missing."
)


class Circle(NamedTuple):
    """The model goes round in circles, for the first time: it is to be told so."""

    advice: str
    signature: str


class Guards:
    """Watches the rounds of one session."""

    def __init__(self, malformed_limit: int) -> None:
        self._malformed_limit = malformed_limit
        self._malformed: tuple[str, ...] = ()  # of the last round
        self._malformed_rounds = 0
        self._malformed_calls = 0
        self._errors: tuple[str, ...] = ()  # of the last round, if all of it failed
        self._error_rounds = 0
        self._recent: deque[str] = deque(maxlen=WINDOW)
        self._warned = False

    def after(self, calls: Sequence[ToolCall], answers: Sequence[Answered]) -> Outcome | Circle | None:
        """Return how the session ends after this round, or what the model has to be told; None for neither."""
        return (
            self._after_malformed(calls, answers) or self._after_errors(answers) or self._after_circle(calls, answers)
        )

    def _after_malformed(self, calls: Sequence[ToolCall], answers: Sequence[Answered]) -> Outcome | None:
        broken = [call for call, answered in zip(calls, answers, strict=True) if answered.ending is Ending.MALFORMED]
        prints = tuple(f"{call.name}\0{call.raw}" for call in broken)
        self._malformed_rounds = self._malformed_rounds + 1 if prints and prints == self._malformed else len(prints[:1])
        self._malformed = prints
        self._malformed_calls += len(broken)
        if self._malformed_rounds >= self._malformed_limit:
            return _given_up(
                f"the model called {broken[0].name} with the same malformed arguments {self._malformed_rounds} times "
                f"running (malformed_tool_call_limit is {self._malformed_limit}): {broken[0].error}",
                "repeated malformed tool calls",
            )
        if broken and self._malformed_calls >= MOST_MALFORMED:
            return _given_up(
                f"the model made {self._malformed_calls} malformed calls, the last of {broken[-1].name}: "
                f"{broken[-1].error}",
                "too many malformed tool calls",
            )
        return None

    def _after_errors(self, answers: Sequence[Answered]) -> Outcome | None:
        failed = all(answered.result.is_error for answered in answers)
        prints = tuple(map(_print_of_error, answers)) if failed else ()
        self._error_rounds = self._error_rounds + 1 if prints and prints == self._errors else len(prints[:1])
        self._errors = prints
        if self._error_rounds < SAME_ERRORS:
            return None
        last = answers[-1].result
        return _given_up(
            f"every call of the model failed in the same way {self._error_rounds} times running; "
            f"{last.name} said: {last.content[:_QUOTED_CHARS]}",
            f"repeated failing tool calls {last.name}",
        )

    def _after_circle(self, calls: Sequence[ToolCall], answers: Sequence[Answered]) -> Outcome | Circle | None:
        """Look for a pattern of one, two or three calls that fills the window; results that change break it."""
        for call, answered in zip(calls, answers, strict=True):
            arguments = call.raw if call.arguments is None else json.dumps(call.arguments, sort_keys=True)
            self._recent.append(_print(call.name, arguments, answered.result.content))
        recent = list(self._recent)
        if len(recent) < WINDOW or not any(_repeats(recent, period) for period in _PERIODS):
            return None
        self._recent.clear()
        names = ", ".join(dict.fromkeys(call.name for call in calls))
        if self._warned:
            return _given_up(
                f"the model kept repeating the same calls ({names}) with the same results, after it was told so",
                f"loop {names}",
            )
        self._warned = True
        return Circle(ADVICE.format(calls=WINDOW), recent[-1])


def _print_of_error(answered: Answered) -> str:
    """What a misfit's text says after its first line changes from time to time: how often it was said."""
    text = answered.result.content
    return _print(answered.result.name, text.partition("\n")[0] if answered.ending is Ending.INVALID else text)


def _repeats(signatures: Sequence[str], period: int) -> bool:
    return all(signatures[at] == signatures[at - period] for at in range(period, len(signatures)))


def _print(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:16]


def _given_up(reason: str, signature: str) -> Outcome:
    return Outcome.failed(reason, FailureClass.DETERMINISTIC, failure_signature=signature)
