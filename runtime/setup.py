"""The commands of run.yaml's `setup`: run in the workspace before the first node, the first failure ends the run."""

from collections.abc import Mapping
from pathlib import Path

from .events import SetupFinished, SetupStarted
from .outcome import Outcome
from .plan import Setup
from .steps.tool import failure
from .world import Command, World


def run_setup(setup: Setup, world: World, folder: Path, environment: Mapping[str, str]) -> Outcome | None:
    """Run the commands in order, all within `setup.timeout_ms`; return how one failed, or None.

    Args:
        folder: for the output files; made if there is a command.
    """
    started_s = world.clock.now_s()
    for number, text in enumerate(setup.commands, start=1):
        folder.mkdir(exist_ok=True)
        left_ms = setup.timeout_ms - round((world.clock.now_s() - started_s) * 1000)
        command = Command(
            command=text,
            folder=world.workspace.folder,
            environment=environment,
            timeout_ms=max(1, left_ms) if setup.timeout_ms else 0,
            stdout=folder / f"{number}-stdout.log",
            stderr=folder / f"{number}-stderr.log",
        )
        failed = _run_one(number, command, world)
        if failed is not None:
            return failed
    return None


def _run_one(number: int, command: Command, world: World) -> Outcome | None:
    world.emit(SetupStarted(number=number, command=command.command))
    result = world.shell.run(command, world.cancellation, lambda _stream, _text: None)
    failed = failure(command, result, f"setup command {number} ({_shown(command.command)})")
    world.emit(
        SetupFinished(
            number=number,
            command=command.command,
            exit_code=result.exit_code,
            duration_ms=result.duration_ms,
            reason=failed.failure_reason if failed else "",
        )
    )
    return failed


def _shown(command: str) -> str:
    line = command.strip().split("\n", 1)[0]
    return line if len(line) <= 60 else line[:59] + "…"
