"""`tool_hooks.pre` and `tool_hooks.post`: shell commands of the graph around each call of a tool.

Both get the call as JSON on stdin and its name and id as variables. `pre` decides: any exit code but 0 skips the call.
`post` only watches.
"""

import json
from typing import Final

from ...files import utf8
from ...llm.messages import ToolCall
from ...outcome import Json
from .commands import Captured, capture
from .contract import Bench, Refusal, Result

TIMEOUT_MS: Final = 30_000
_SAID_CHARS: Final = 2_000


def before(command: str, call: ToolCall, bench: Bench) -> str:
    """Run `tool_hooks.pre`; return why the call is skipped, "" when it is not."""
    return _complaint(command, _described("pre", call), call, bench) if command else ""


def after(command: str, call: ToolCall, result: Result, bench: Bench) -> str:
    """Run `tool_hooks.post`; return what went wrong with it, "" when nothing did."""
    if not command:
        return ""
    described = _described("post", call) | {"result": result.text, "is_error": result.is_error}
    return _complaint(command, described, call, bench)


def _described(hook: str, call: ToolCall) -> dict[str, Json]:
    return {"hook": hook, "call_id": call.id, "tool_name": call.name, "arguments": dict(call.arguments or {})}


def _complaint(command: str, described: dict[str, Json], call: ToolCall, bench: Bench) -> str:
    hook = f"tool_hooks.{described['hook']}"
    variables = {
        "ATTRACTOR_TOOL_HOOK": str(described["hook"]),
        "ATTRACTOR_TOOL_NAME": call.name,
        "ATTRACTOR_TOOL_CALL_ID": call.id,
    }
    if "is_error" in described:
        variables["ATTRACTOR_TOOL_IS_ERROR"] = "true" if described["is_error"] else "false"
    stdin = utf8(json.dumps(described, ensure_ascii=False) + "\n")
    try:
        captured = capture(command, bench, timeout_ms=TIMEOUT_MS, stdin=stdin, variables=variables)
    except Refusal as refusal:
        return f"{hook}: {refusal}"
    return _how_it_failed(hook, captured)


def _how_it_failed(hook: str, captured: Captured) -> str:
    said = (captured.stderr.strip() or captured.stdout.strip())[-_SAID_CHARS:]
    because = f": {said}" if said else ""
    if captured.result.canceled:
        return f"{hook} was stopped"
    if captured.result.timed_out:
        return f"{hook} did not end within {TIMEOUT_MS} ms{because}"
    return f"{hook} exited with code {captured.result.exit_code}{because}" if captured.result.exit_code else ""
