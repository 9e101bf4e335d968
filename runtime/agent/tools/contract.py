"""What a tool is: a definition that the model sees, and a function that answers one call.

A tool never raises for what the model or the workspace did wrong: it returns an error result that says what to do
instead. It returns all it has to say; cutting it for the model is the dispatcher's work.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ...outcome import Json
from ...world import Cancellation, Shell


class Bench(NamedTuple):
    """Where a session's tools work."""

    workspace: Path  # absolute, symbolic links resolved; file tools never leave it
    shell: Shell
    cancellation: Cancellation
    environment: Mapping[str, str]  # of commands, beside the allow-list
    command_default_ms: int
    command_max_ms: int
    outputs: Path  # folder for outputs that are too long for the model; made when the first one is written


class Result(NamedTuple):
    text: str  # never empty
    is_error: bool = False  # the call could not be carried out; a command that fails is none


class Cut(NamedTuple):
    """How much of a result the model is shown: characters first, then lines."""

    max_chars: int
    mode: str  # head_tail | tail | head
    max_lines: int | None = None


class Tool(NamedTuple):
    name: str
    description: str
    parameters: Mapping[str, Json]  # JSON Schema, root type object, additionalProperties false
    cut: Cut
    reads_only: bool  # calls of one turn may run side by side
    run: Callable[[Mapping[str, Json], str, Bench], Result]  # arguments that fit `parameters`, the call's id
