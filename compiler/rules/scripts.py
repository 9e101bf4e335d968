"""Rules about files and folders that tools' commands name: is there what they run, and where they go?"""

import os.path
import re
from collections.abc import Iterator

from ..diagnostics import Diagnostic, Severity
from ..graph import Attribute, Kind
from ..reading import Files
from ..shell_words import Command, Word, commands_in
from .facts import word as node_word
from .registry import Check, Project, Rule
from .told import Told

RULES: tuple[Rule, ...] = (
    Rule(
        "tool_script_missing",
        Severity.WARNING,
        "a command runs a script that is not there, and that no other stage speaks of",
        "The stage would fail on every attempt. A script that a stage is to write is known by its name in that "
        "stage's prompt.",
        config=True,
    ),
    Rule(
        "tool_script_not_executable",
        Severity.WARNING,
        "a command runs a script by its path, and the file may not be executed",
        "The stage fails with `permission denied`, on every attempt.",
        config=True,
    ),
    Rule(
        "tool_assumes_cwd",
        Severity.WARNING,
        "a command changes to a folder that is not there, and that no other stage speaks of",
        "Every command begins in the workspace; what an earlier one did with `cd` is forgotten.",
        config=True,
    ),
)

_INTERPRETERS = frozenset({"sh", "bash", "dash", "zsh", "python", "python3", "node", "ruby", "perl", "source", "."})
_ENDINGS = (".sh", ".bash", ".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl")
_PATH = r"(?!/|~|\.\.)[\w./-]++"
_MAKES = frozenset(
    {"mkdir", "git", "cp", "mv", "tar", "unzip", "ln", "npx", "npm", "cargo", "go", "touch", "cat", "tee"}
)
_MOST = 50  # files that are looked for in one run


def check_files(project: Project) -> Iterator[Diagnostic]:
    """tool_script_missing, tool_script_not_executable, tool_assumes_cwd. Only with run.yaml: it names the workspace."""
    config, archive = project.config, project.archive
    if config is None or archive is None or project.analysis.of_kind(Kind.MANAGER):
        return
    files = archive.files
    workspace = os.path.join(os.path.dirname(config.source.path), config.workspace.repo)
    told, looked = Told(project), 0
    for node in project.analysis.of_kind(Kind.TOOL):
        command = project.graph.nodes[node].attributes.get("tool_command")
        if command is None:
            continue
        moved = False  # behind the first cd a relative path is another one
        for found in commands_in(command.text):
            if looked >= _MOST or moved:
                break
            if found.name in _MAKES:
                moved = moved or _makes_any(found)
            elif found.name in {"cd", "pushd"}:
                looked += 1
                yield from _folder(project, told, files, workspace, node, command, found)
                moved = True
            else:
                looked += 1
                yield from _script(project, told, files, workspace, node, command, found)


def _makes_any(found: Command) -> bool:
    """Whether what follows may use what this command made."""
    return found.name != "git" or found.arguments[:1] in (["clone"], ["worktree"], ["checkout"], ["submodule"])


def _script(
    project: Project, told: Told, files: Files, workspace: str, node: str, command: Attribute, found: Command
) -> Iterator[Diagnostic]:
    direct = "/" in found.name
    word = found.words[0] if direct else _argument_of_interpreter(found)
    if word is None or not word.plain or re.fullmatch(_PATH, word.text) is None:
        return
    if not direct and not word.text.endswith(_ENDINGS):
        return
    may_run = files.executable(os.path.join(workspace, word.text))
    place = command.value.span(word.start, word.end)
    if may_run is None and not _spoken_of(project, told, node, word):
        yield Diagnostic(
            "tool_script_missing",
            place,
            f'"{node}" runs "{word.text}", which is not in the workspace, and no other stage speaks of it',
            subject=node,
            help="add the script, or say in a prompt before who writes it",
        )
    elif direct and may_run is False:
        yield Diagnostic(
            "tool_script_not_executable",
            place,
            f'"{node}" runs "{word.text}", which may not be executed; run `chmod +x {word.text}` and commit that, '
            "or name the interpreter before it",
            subject=node,
        )


def _argument_of_interpreter(found: Command) -> Word | None:
    if found.name not in _INTERPRETERS:
        return None
    return next((word for word in found.words[1:] if not word.text.startswith("-")), None)


def _folder(
    project: Project, told: Told, files: Files, workspace: str, node: str, command: Attribute, found: Command
) -> Iterator[Diagnostic]:
    word = found.words[1] if len(found.words) > 1 else None
    if word is None or not word.plain or re.fullmatch(_PATH, word.text) is None:
        return
    path = os.path.normpath(os.path.join(workspace, word.text))
    if os.path.basename(path) in files.names(os.path.dirname(path)) or word.text in {".", "./"}:
        return
    if not _spoken_of(project, told, node, word):
        yield Diagnostic(
            "tool_assumes_cwd",
            command.value.span(word.start, word.end),
            f'"{node}" goes to "{word.text}", which is not in the workspace, and no other stage speaks of it',
            subject=node,
            help="every command begins in the workspace; say in a prompt before who makes the folder",
        )


def _spoken_of(project: Project, told: Told, node: str, word: Word) -> bool:
    """Whether another stage, or setup, is told of what `word` names: then it may well make it."""
    name = os.path.basename(word.text.rstrip("/"))
    config = project.config
    if config is not None and any(name in each for each in config.setup_commands):
        return True
    others = (other for other in project.graph.nodes.values() if other.id != node)
    return any(name in told.text(other.id) or name in node_word(other.attributes, "outputs") for other in others)


CHECKS: tuple[Check, ...] = (check_files,)
