"""`shell`: a command in the workspace, with a time limit and nothing left behind."""

from collections.abc import Mapping
from typing import Final

from ...outcome import Json
from .commands import Captured, capture
from .contract import Bench, Cut, Result, Tool


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    asked = arguments.get("timeout_ms")
    wanted = asked if isinstance(asked, int) and asked > 0 else bench.command_default_ms
    timeout_ms = max(1, min(wanted, bench.command_max_ms))
    captured = capture(str(arguments["command"]), bench, timeout_ms=timeout_ms, on_output=bench.on_output)
    return Result("\n".join(_told(captured, timeout_ms, bench)), captured.result.timed_out or captured.result.canceled)


def _told(captured: Captured, timeout_ms: int, bench: Bench) -> list[str]:
    """Return stdout, stderr if there is any, what the command could not know, and how it ended.

    Nothing in it changes from one run to the next by itself: a session that goes round in circles is known by equal
    results, so there is no duration.
    """
    result = captured.result
    parts = [captured.stdout.rstrip("\n")] if captured.stdout.strip() else []
    if captured.stderr.strip():
        parts += ["[stderr]", captured.stderr.rstrip("\n")]
    if result.timed_out:
        more = (
            f"give a larger timeout_ms, at most {bench.command_max_ms}, or do less in one command"
            if timeout_ms < bench.command_max_ms
            else "no command may run longer: do less in one command"
        )
        parts.append(
            f"[ERROR: Command timed out after {timeout_ms} ms and was ended; above is what it printed; {more}]"
        )
    if result.canceled:
        parts.append(f"[ERROR: Command was stopped: {bench.cancellation.reason}; above is what it printed]")
    if result.left_behind:
        parts.append(
            "[processes that the command left in the background were ended with it; "
            "what needs them has to run in the same command]"
        )
    return [*parts, f"exit_code={result.exit_code} timed_out={str(result.timed_out).lower()}"]


TOOL: Final = Tool(
    name="shell",
    description=(
        "Run a command with bash in the workspace and return what it prints, then its exit code. Each call is a shell "
        "of its own: a cd or an export does not last. Nothing can be typed in; processes left in the background are "
        "ended when the command returns."
    ),
    parameters={
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "The command, as bash reads it."},
            "timeout_ms": {
                "type": "integer",
                "description": "After how many milliseconds to end it; more than the stage allows counts as that.",
            },
            "description": {"type": "string", "description": "What it is for, in a few words."},
        },
        "required": ["command"],
        "additionalProperties": False,
    },
    cut=Cut(30_000, "head_tail", max_lines=256),
    reads_only=False,
    run=_run,
)
