"""Rules about tool nodes and their commands."""

import re
from collections.abc import Iterator

from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..graph import Attribute, Kind, Node
from ..source import MappedText, Span
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "tool_command_required",
        Severity.ERROR,
        "a tool node has no tool_command",
        "There is nothing to run: the stage could only fail, on every attempt.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "tool_command_abs_path",
        Severity.WARNING,
        "a command leaves the workspace for an absolute path",
        "A run works in a worktree of its own. A verification that changes to the author's checkout "
        "tests other files than the stages have written, and is green for no reason.",
    ),
    Rule(
        "tool_command_syntax",
        Severity.ERROR,
        "bash cannot read a tool's command",
        "The stage would fail on every attempt, perhaps after hours of paid work. Found with `bash -n`, "
        "which reads a command without running it.",
    ),
)

MAX_COMMANDS = 200  # that bash is asked about in one run

_OTHER_NAMES = ("command", "script", "cmd")
# Compiled where they are used: most pipelines have few tool nodes, and nothing to find in them.
_LEAVES = r"(?<![\w./-])(?:(?:cd|pushd)[ \t]++(?:--[ \t]++)?|git[ \t]++-C[ \t]*+)[\"']?(?P<path>/[^\s\"';&|)]*+)"
_SAYS = r"^[^\n:]*+: (?:-c: )?line (?P<line>[0-9]{1,9}+): (?P<what>.*+)$"
_NEAR = r"near unexpected token [`'](?P<token>[^\s']++)'"


def check_commands(project: Project) -> Iterator[Diagnostic]:
    """tool_command_required, tool_command_abs_path; both look at each command as the author wrote it."""
    nodes = project.graph.nodes
    for id_ in project.analysis.of_kind(Kind.TOOL):
        command = nodes[id_].attributes.get("tool_command")
        if command is None or not command.text.strip():
            yield _required(nodes[id_])
            continue
        for match in re.finditer(_LEAVES, command.text) if "/" in command.text else ():
            yield Diagnostic(
                "tool_command_abs_path",
                command.value.span(*match.span("path")),
                f'the command leaves the workspace for "{match["path"]}"; use a path relative to the workspace',
                subject=id_,
            )


def _required(node: Node) -> Diagnostic:
    other = next((node.attributes[name] for name in _OTHER_NAMES if name in node.attributes), None)
    if other is None or "tool_command" in node.attributes:
        message = f'tool node "{node.id}" has nothing to run; give it tool_command="..."'
        return Diagnostic("tool_command_required", node.span, message, subject=node.id)
    return Diagnostic(
        "tool_command_required",
        other.key_span,
        f'tool node "{node.id}" has no tool_command; did you mean "tool_command" by "{other.key}"?',
        subject=node.id,
        fix=Fix('write "tool_command"', (Edit(other.key_span, "tool_command"),)),
    )


def check_syntax(project: Project) -> Iterator[Diagnostic]:
    """tool_command_syntax. Each distinct command is read alone: an open quote would hide in the next one."""
    nodes = project.graph.nodes
    places: dict[str, list[Attribute]] = {}
    for id_ in project.analysis.of_kind(Kind.TOOL):
        command = nodes[id_].attributes.get("tool_command")
        if command is not None and command.text.strip():
            places.setdefault(command.text, []).append(command)
    for count, (text, commands) in enumerate(places.items()):
        said = None if project.shell is None or count == MAX_COMMANDS else project.shell.syntax_error(text)
        if said is None:
            yield _skipped(commands[0], len(places) - count, count == MAX_COMMANDS)
            return
        if said:
            for command in commands:
                yield _unreadable(command.value, said)


def _skipped(command: Attribute, left: int, too_many: bool) -> Diagnostic:
    reason = f"only {MAX_COMMANDS} are checked in one run" if too_many else "bash could not be asked"
    return Diagnostic(
        "check_skipped",
        command.key_span,
        f"{left} {'command was' if left == 1 else 'commands were'} not checked for syntax: {reason}",
        subject="tool_command_syntax",
    )


def _unreadable(command: MappedText, said: str) -> Diagnostic:
    match = re.search(_SAYS, said, re.MULTILINE)
    what = match["what"].strip() if match else (said.strip().splitlines() or ["bash cannot read this command"])[0]
    line = int(match["line"]) if match else 1
    return Diagnostic("tool_command_syntax", _place(command, line, what), f"bash cannot read this command: {what}")


def _place(command: MappedText, line: int, what: str) -> Span:
    """Return the token that bash stumbles over, if it stands once in its line, else that line of the command."""
    lines = command.text.split("\n")
    line = min(line, len(lines))
    while line > 1 and not lines[line - 1].strip():
        line -= 1
    start = sum(len(each) + 1 for each in lines[: line - 1])
    text = lines[line - 1]
    token = re.search(_NEAR, what)
    if token is not None and text.count(token["token"]) == 1:
        at = start + text.index(token["token"])
        return command.span(at, at + len(token["token"]))
    indent = len(text) - len(text.lstrip())
    return command.span(start + indent, start + max(len(text.rstrip()), indent + 1 if text else 0))


CHECKS: tuple[Check, ...] = (check_commands, check_syntax)
