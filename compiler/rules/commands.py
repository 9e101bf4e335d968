"""Rules about what tools' commands do: green for no reason, dangerous, waiting for somebody, or short of a program."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from .. import flow
from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Attribute, Graph, Kind
from ..shell_words import Command, commands_in
from .conjunctions import OUTCOME
from .facts import flag, kind_of
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "tool_exit_masked",
        Severity.WARNING,
        "a command hides that it failed, and edges look at its outcome",
        "With `|| true`, or behind `| tee` without pipefail, the stage always succeeds: the edge for a failure is "
        "never taken, and the pipeline goes on over a broken build.",
    ),
    Rule(
        "tool_dangerous",
        Severity.WARNING,
        "a command can destroy what no run can bring back",
        "A run works unattended. Deleting outside the workspace, forcing a push, running what was just downloaded or "
        "becoming root deserve a person's eyes.",
    ),
    Rule(
        "tool_interactive",
        Severity.WARNING,
        "a command waits for somebody at the keyboard",
        "Nobody is there: the stage fails at once, or hangs until its timeout.",
    ),
    Rule(
        "tool_unscoped",
        Severity.INFO,
        "a linter looks at the whole repository, in a loop of repairs",
        "It fails on what was there before the run, which no stage was asked to mend: the loop never ends well.",
    ),
    Rule(
        "tool_toolchain_ungated",
        Severity.WARNING,
        "a program is needed after paid work, and nothing before has made sure that it is there",
        "On a machine without it the run fails late. `command -v NAME` among setup.commands, or in a tool before the "
        "first LLM stage, costs nothing.",
        config=True,
    ),
    Rule(
        "prompt_interpolation_in_shell",
        Severity.WARNING,
        "a command names the goal or an input as prompts do, or an input without quotes",
        "Nothing is put into a command, so that nobody's input can become code: bash sees an unset variable there. "
        "Inputs come as `$ATTRACTOR_INPUT_NAME`, and within double quotes they stay one word.",
    ),
)

_ALWAYS_GREEN = frozenset({"true", ":"})
_SAYS_ONLY = frozenset({"echo", "printf"})
_PIPEFAIL = r"pipefail|PIPESTATUS"
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "python", "python3", "node", "perl", "ruby"})
_DOWNLOADS = frozenset({"curl", "wget"})
_HOMES = r"(?:/|~|\$HOME|\$\{HOME\})(?:/?\*|/)?"
_EDITORS = frozenset({"vi", "vim", "nvim", "nano", "emacs", "less", "more", "top", "htop", "man"})
_WHOLE_REPOSITORY = r"""(?x)
    (?:npm|pnpm|yarn|bun)\ (?:run\ )?lint | ruff\ check(?:\ \.)? | ruff\ format\ --check(?:\ \.)? | flake8(?:\ \.)?
  | (?:npx\ )?eslint\ \. | go\ vet\ \./\.\.\. | golangci-lint\ run(?:\ \./\.\.\.)? | cargo\ (?:clippy|fmt)(?:\ .*)?
  | mypy\ \. | black\ --check\ \. | (?:npx\ )?prettier\ --check\ \. """
_STANDARD = frozenset(
    """
    . : [ [[ alias bg break builtin case cd command continue declare dirs echo enable eval exec exit export false fc fg
    for function getopts hash help history in jobs kill let local logout mapfile popd printf pushd pwd read readarray
    readonly return select set shift shopt source suspend test times trap true type typeset ulimit umask unalias unset
    wait awk base64 basename bash cat chgrp chmod chown cksum cmp comm cp csplit cut date dd df diff dir dirname du env
    expand expr factor file find fmt fold git grep egrep fgrep gzip gunzip head hostname id install join ln ls md5sum
    mkdir mkfifo mktemp mv nice nl node nohup nproc od paste patch pr ps python python3 readlink realpath rm rmdir sed
    seq sh sha1sum sha256sum sha512sum shuf sleep sort split stat stdbuf stty sum sync tac tail tar tee time timeout
    touch tr truncate tsort tty uname unexpand uniq unlink wc which who whoami xargs yes attractor npm npx pip pip3 make
    """.split()
)  # fmt: skip
_ASKS_FOR = frozenset({"command", "which", "type", "hash"})
_VERSIONS = frozenset({"--version", "-version", "version", "-V", "-v"})
_WRAPPERS = frozenset({"env", "exec", "nohup", "nice", "time", "sudo", "xargs", "stdbuf"})
_FUNCTION = r"(?m)(?:^|[;\s])(?:function[ \t]++)?([A-Za-z_][\w-]*+)[ \t]*+\([ \t]*+\)"
_PROGRAM = r"[A-Za-z][A-Za-z0-9_+-]*+(?>(?:\.[A-Za-z0-9_+-]++)*)"
_PLACEHOLDER = r"\$(?:\{(?P<braced>[A-Za-z_]\w*+)\}|(?P<name>[A-Za-z_]\w*+))|\{\{-?\s*+(?P<jinja>goal|inputs\.\w++)"


def _written(project: Project) -> Iterator[tuple[str, Attribute]]:
    """Yield each tool node with its command, unless that is empty."""
    for node in project.analysis.of_kind(Kind.TOOL):
        command = project.graph.nodes[node].attributes.get("tool_command")
        if command is not None and command.text.strip():
            yield node, command


def _about(rule: str, command: Attribute, found: Command, message: str, node: str, help_: str = "") -> Diagnostic:
    place = command.value.span(found.words[0].start, found.words[-1].end)
    return Diagnostic(rule, place, message, subject=node, help=help_)


# What each command does by itself


def check_each(project: Project) -> Iterator[Diagnostic]:
    """tool_exit_masked, tool_dangerous, tool_interactive, tool_unscoped."""
    graph = project.graph
    for node, command in _written(project):
        commands = commands_in(command.text)
        if commands and (flag(graph.nodes[node].attributes, "goal_gate") or _outcome_matters(graph, node)):
            yield from _masked(node, command, commands)
        for before, found in pairwise((None, *commands)):
            if found is None:
                continue
            danger = _danger(found, before)
            if danger:
                yield _about("tool_dangerous", command, found, f'the command of "{node}" {danger}', node)
            wait = _waits(found)
            if wait:
                yield _about("tool_interactive", command, found, f'"{found.name}" {wait}', node)
            line = " ".join(word.text for word in found.words)
            if node in project.analysis.component_of and re.fullmatch(_WHOLE_REPOSITORY, line):
                yield _about(
                    "tool_unscoped", command, found,
                    f'"{line}" looks at the whole repository, and "{node}" is in a loop of repairs', node,
                    "name the files that the stages change",
                )  # fmt: skip


def _outcome_matters(graph: Graph, node: str) -> bool:
    """Whether an edge of `node`, or of a conditional node behind it, compares the outcome."""
    edges = [*graph.outgoing[node]]
    for edge in graph.outgoing[node]:
        if kind_of(graph, edge.target) is Kind.CONDITIONAL:
            edges += graph.outgoing[edge.target]
    return any(clause.key == OUTCOME for edge in edges for clause in edge.condition)


def _masked(node: str, command: Attribute, commands: tuple[Command, ...]) -> Iterator[Diagnostic]:
    last = commands[-1]
    if last.depth or last.after or last.before in {"", "else", "then", "do", "elif"}:
        return
    line = last.name if not last.arguments else f"{last.name} {last.arguments[0]}"
    if last.before == "||" and (last.name in _ALWAYS_GREEN | _SAYS_ONLY or line == "exit 0"):
        how = f'"|| {line}" hides a failure'
    elif last.before == ";" and (last.name in _ALWAYS_GREEN or line == "exit 0"):
        how = f'"{line}" at the end hides a failure'
    elif last.before == "|" and last.name == "tee" and re.search(_PIPEFAIL, command.text) is None:
        how = '"| tee" ends as tee does, so that a failure before it is lost'
    else:
        return
    help_ = "begin with `set -o pipefail`" if last.name == "tee" else "drop it; edges are there to route the failure"
    start = command.text.rfind(last.before, 0, last.words[0].start) if last.before != ";" else last.words[0].start
    place = command.value.span(start, last.words[-1].end)
    message = f'{how}, but edges look at the outcome of "{node}"'
    yield Diagnostic("tool_exit_masked", place, message, subject=node, help=help_)


def _danger(found: Command, before: Command | None) -> str:
    """Return what is dangerous about a command, "" for nothing."""
    name, arguments = found.name, found.arguments
    flags = "".join(each for each in arguments if each.startswith("-") and not each.startswith("--"))
    if name == "sudo":
        return "becomes root; let the machine be set up before the run"
    if name == "rm" and ({"r", "R"} & set(flags) or "--recursive" in arguments):
        gone = next((each for each in arguments if re.fullmatch(_HOMES, each)), "")
        return f"deletes {gone}; name a folder of the workspace" if gone else ""
    if name == "git" and arguments[:1] == ["push"] and {"--force", "-f"} & set(arguments):
        return "forces a push over what others have pushed; use --force-with-lease, or let a person push"
    if name == "chmod" and {"-R", "--recursive"} & set(arguments) and {"777", "a+rwx", "0777"} & set(arguments):
        return "lets everybody write all files; give the rights that are needed"
    if name in _SHELLS and found.piped and before is not None and before.name in _DOWNLOADS and not found.arguments[1:]:
        return "runs what it has just downloaded; install it before the run, or check its digest first"
    return ""


def _waits(found: Command) -> str:
    """Return for what a command waits, "" for nothing."""
    name, arguments = found.name, found.arguments
    if name in _EDITORS and not found.piped and not found.fed and not {"--version", "-es", "-b"} & set(arguments):
        return "wants a terminal and somebody before it"
    if name == "read" and any(each.startswith("-p") for each in arguments) and not found.piped and not found.fed:
        return "waits for an answer; take it from an input, $ATTRACTOR_INPUT_NAME, or use a human gate"
    if name == "npm" and arguments[:1] == ["init"] and not {"-y", "--yes"} & set(arguments) and len(arguments) == 1:
        return "asks for the package's name and more; add -y"
    if name == "git" and arguments[:1] == ["commit"] and not any(_gives_message(each) for each in arguments):
        return "commit opens an editor for the message; add -m"
    if name == "git" and arguments[:1] in (["rebase"], ["add"]) and {"-i", "-p", "--interactive"} & set(arguments):
        return f"{arguments[0]} asks what to do, step by step; name what is to be done"
    return ""


def _gives_message(argument: str) -> bool:
    short = argument.startswith("-") and not argument.startswith("--") and bool({"m", "F", "C", "c"} & set(argument))
    long = ("--message", "--file", "--no-edit", "--reuse-message", "--fixup", "--squash", "--dry-run", "--help")
    return short or argument.startswith(long)


# Programs


def check_programs(project: Project) -> Iterator[Diagnostic]:
    """tool_toolchain_ungated: the first use of each program that comes after an LLM stage."""
    analysis, config = project.analysis, project.config
    paid = [node for node in analysis.of_kind(Kind.CODERGEN) if node in analysis.reachable]
    used: dict[str, dict[str, tuple[Attribute, Command]]] = {}
    gates: dict[str, set[str]] = {}
    for node, command in _written(project) if paid and config is not None else ():
        commands = commands_in(command.text)
        gates[node] = _asked_for(commands)
        functions = set(re.findall(_FUNCTION, command.text)) if "(" in command.text else set()
        if any(found.name == "case" for found in commands):
            continue  # its patterns look like commands
        for found in commands:
            program = _program(found)
            if program and program not in functions and program not in gates[node]:
                used.setdefault(program, {}).setdefault(node, (command, found))
    if not used or config is None:
        return
    setup = [each for text in config.setup_commands for each in commands_in(text)]
    ready = {each.name for each in setup} | _asked_for(setup)
    late = flow.reachable(analysis.successors, [to for node in paid for to in analysis.successors[node]])
    for program, places in used.items():
        if program in ready:
            continue
        gated = flow.reachable(analysis.successors, [node for node, asked in gates.items() if program in asked])
        early = flow.reachable(analysis.successors, [node for node in places if node not in late])
        for node, (command, found) in places.items():
            if node in late and node not in gated and node not in early:
                yield _ungated(project, node, command, found, program)
                break


def _asked_for(commands: Iterable[Command]) -> set[str]:
    """Return the programs of which commands make sure: with `X --version`, or with a `command -v` among them.

    Where that stands in a loop or a function, any word may be the name.
    """
    words = {word.text for found in commands for word in found.words}
    if words & _ASKS_FOR:
        return words
    return {found.name for found in commands if found.arguments[:1] and found.arguments[0] in _VERSIONS}


def _program(found: Command) -> str:
    """Return the program that a command needs beyond what every machine has, "" for none."""
    words = list(found.words)
    while words and words[0].text in _WRAPPERS:
        words = [word for word in words[1:] if not word.text.startswith("-") and "=" not in word.text]
    if not words or not words[0].plain or words[0].text in _STANDARD:
        return ""
    return words[0].text if re.fullmatch(_PROGRAM, words[0].text) else ""


def _ungated(project: Project, node: str, command: Attribute, found: Command, program: str) -> Diagnostic:
    place = next((word for word in found.words if word.text == program), found.words[0])
    return Diagnostic(
        "tool_toolchain_ungated",
        command.value.span(place.start, place.end),
        f'"{node}" needs "{program}" after stages that cost money, and nothing makes sure before that it is there',
        subject=node,
        related=_setup(project),
        help=f'add "command -v {program}" to setup.commands in run.yaml, '
        "or to a tool before the first LLM stage",
    )  # fmt: skip


def _setup(project: Project) -> tuple[Related, ...]:
    config = project.config
    if config is None or "/setup/commands" not in config.spans:
        return ()
    return (Related(config.key_span("/setup/commands"), "these run before the first stage"),)


# Inputs


def check_inputs(project: Project) -> Iterator[Diagnostic]:
    """prompt_interpolation_in_shell."""
    config = project.config
    inputs = {} if config is None else {name: f"ATTRACTOR_INPUT_{name.upper()}" for name in config.inputs}
    for node, command in _written(project):
        text = command.text
        if "$" not in text and "{{" not in text:
            continue
        for match in re.finditer(_PLACEHOLDER, text):
            name = match["braced"] or match["name"] or match["jinja"].removeprefix("inputs.")
            if (name in inputs or name == "goal") and not _sets(text, name):
                yield _not_filled_in(node, command, match, inputs)
        yield from _unquoted(node, command)


def _sets(command: str, name: str) -> bool:
    """Whether a command gives a shell variable of that name a value of its own."""
    return re.search(rf"(?<![\w$])(?:{name}=|(?:for|read|read -\w++) {name}\b)", command) is not None


def _not_filled_in(node: str, command: Attribute, match: re.Match[str], inputs: Mapping[str, str]) -> Diagnostic:
    name = (match["braced"] or match["name"] or match["jinja"]).removeprefix("inputs.")
    instead = f'"${inputs[name]}", with its quotes' if name in inputs else "an input of run.yaml"
    return Diagnostic(
        "prompt_interpolation_in_shell",
        command.value.span(*match.span()),
        f'the command of "{node}" names {match[0]}, but nothing is filled in there; use {instead}',
        subject=node,
    )


def _unquoted(node: str, command: Attribute) -> Iterator[Diagnostic]:
    if "$ATTRACTOR_INPUT_" not in command.text and "${ATTRACTOR_INPUT_" not in command.text:
        return
    variable = re.compile(r"\$\{?(ATTRACTOR_INPUT_\w++)\}?")
    for found in commands_in(command.text):
        if found.name == "[[":
            continue
        for word in found.words:
            written = command.text[word.start : word.end]
            for match in variable.finditer(written):
                if '"' not in written[: match.start()] and "'" not in written:
                    yield Diagnostic(
                        "prompt_interpolation_in_shell",
                        command.value.span(word.start + match.start(), word.start + match.end()),
                        f'{match[0]} is not quoted, so a value with blanks becomes several words; write "{match[0]}"',
                        subject=node,
                    )


CHECKS: tuple[Check, ...] = (check_each, check_programs, check_inputs)
