"""`report_outcome`: the tool by which a model says how its stage ended."""

import json
from collections.abc import Mapping, Sequence

from ..agent.tools.contract import Bench, Cut, Refusal, Result, Tool
from ..llm.messages import ArgumentState, ToolCall, ToolDefinition
from ..outcome import Json, Outcome, Status
from ..schema import complaint
from ..status import parse

NAME = "report_outcome"


def definition(outcomes: Sequence[str]) -> ToolDefinition:
    """Return the tool as a stage with these outcome words offers it."""
    text = {"type": "string"}
    return ToolDefinition(
        name=NAME,
        description="Say how this stage ended. Call it once, at the end.",
        parameters={
            "type": "object",
            "properties": {
                "status": {"type": "string", "enum": list(outcomes), "description": "How it ended."},
                "notes": text | {"description": "What the next stages should know."},
                "failure_reason": text | {"description": "Why; needed with fail and retry."},
                "failure_class": text
                | {
                    "enum": ["transient_infra", "deterministic", "budget_exhausted", "structural"],
                    "description": "transient_infra: trying again may help.",
                },
                "preferred_label": text | {"description": "Label of the edge to take next."},
                "context_updates": {"type": "object", "description": "Keys and values to remember for later stages."},
            },
            "required": ["status"],
            "additionalProperties": False,
        },
    )


def read(call: ToolCall) -> Outcome | str:
    """Return what a call reports, or what is wrong with it."""
    if call.state is not ArgumentState.VALID or call.arguments is None:
        return f"called {NAME} with {call.state} arguments: {call.error}"
    wrong = complaint("status", call.arguments)
    if wrong:
        return f"called {NAME} with invalid arguments: {wrong}"
    return parse(json.dumps(call.arguments).encode(), NAME)


class Desk:
    """Takes the reports of a session; the last one counts."""

    def __init__(self, outcomes: Sequence[str]) -> None:
        self.outcome: Outcome | None = None
        shown = definition(outcomes)
        self.tool = Tool(shown.name, shown.description, shown.parameters, Cut(2_000, "head"), False, self._take)

    def _take(self, arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG002 - as every tool
        wrong = complaint("status", arguments)
        if wrong:
            raise Refusal(f"invalid arguments: {wrong}")
        outcome = parse(json.dumps(arguments).encode(), NAME)
        if outcome.status in (Status.FAIL, Status.RETRY) and not outcome.failure_reason.strip():
            raise Refusal(f"{outcome.word} needs a failure_reason: say what went wrong, and where")
        self.outcome = outcome
        return Result(f"reported: {outcome.word}; the stage is over")
