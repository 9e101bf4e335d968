"""A tool node: one shell command in the workspace. Also the toolchain gate, so its reason must reach the person."""

from ..failure import classify
from ..outcome import FailureClass, Outcome
from ..plan import ToolWork
from ..world import Command, CommandResult, World
from .contract import Report, Visit
from .output import OutputEvents, head, last_lines

OUTPUT_CHARS = 8_000  # of `tool.output`
REASON_LINES, REASON_CHARS = 5, 1_000
TAIL_LINES, TAIL_CHARS = 40, 4_000


def run(visit: Visit, world: World) -> Report:
    work = visit.node.work
    assert isinstance(work, ToolWork)  # noqa: S101 - the plan's reader made it so
    command = Command(
        command=work.command,
        folder=visit.workspace,
        environment=visit.environment,
        timeout_ms=visit.node.timeouts.command_ms,
        stdout=visit.folder / "stdout.log",
        stderr=visit.folder / "stderr.log",
    )
    events = OutputEvents(visit, world)
    result = world.shell.run(command, world.cancellation, events)
    events.flush()
    outcome = failure(command, result, "tool_command")
    return Report(
        outcome=outcome or Outcome.success(),
        facts={
            "tool.output": head((command.stdout, command.stderr), OUTPUT_CHARS),
            "tool.exit_status": result.exit_code,
        },
        output_tail=tail(command),
    )


def failure(command: Command, result: CommandResult, what: str) -> Outcome | None:
    """Return how a command failed, with the last lines that it printed; None if it did not."""
    if result.canceled:
        return Outcome.failed(f"{what} was stopped", FailureClass.CANCELED)
    if result.timed_out:
        reason = f"{what} timed out after {in_words(command.timeout_ms)}"
        return Outcome.failed(reason + _said(command), FailureClass.TRANSIENT_INFRA)
    if result.exit_code != 0:
        said = _said(command)
        # What a command prints may speak of the network; it cannot cancel the run or exhaust its budget.
        transient = classify(said) is FailureClass.TRANSIENT_INFRA
        cause = FailureClass.TRANSIENT_INFRA if transient else FailureClass.DETERMINISTIC
        return Outcome.failed(
            f"{what} failed with exit code {result.exit_code}{_by_signal(result.exit_code)}{said}", cause
        )
    return None


def tail(command: Command) -> str:
    """Return the last lines of both streams, for whoever has to repair."""
    texts = (last_lines(path, TAIL_LINES, TAIL_CHARS) for path in (command.stdout, command.stderr))
    return "\n".join(text for text in texts if text)


def in_words(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:g} s"


def _said(command: Command) -> str:
    text = last_lines(command.stderr, REASON_LINES, REASON_CHARS) or last_lines(
        command.stdout, REASON_LINES, REASON_CHARS
    )
    return f": {text}" if text else ""


def _by_signal(exit_code: int) -> str:
    import signal

    try:
        return f" ({signal.Signals(exit_code - 128).name})" if exit_code > 128 else ""
    except ValueError:
        return ""
