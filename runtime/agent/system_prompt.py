"""The system prompt: who the model is, where it works, what the project says. Made once per session and then frozen.

Nothing in it may differ between two requests of a session: providers cache what stays the same.
"""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .instructions import Instructions
from .tools.commands import capture
from .tools.contract import Bench, Refusal

GIT_TIMEOUT_MS: Final = 3_000
_SUBJECTS: Final = 5

_BASE: Final = """\
You are an agent that carries out one stage of a pipeline, in a workspace, with tools. Nobody watches and nobody answers
questions: decide, act, check, report.

- Do what the stage asks for, completely, and nothing beside it.
- Look before you change: read what you are about to edit, and what calls it.
- Check your work by running it: a test, a build, the program itself.
- When something fails, find out why before you try again. Do not repeat a call that has just failed.
- End by calling report_outcome, once. Report what is true: what cannot be done ends in fail, with the reason."""

_EDITING: Final[Mapping[str, str]] = {
    "openai": "Edit files with apply_patch; its context lines must be exactly those of the file.",
    "anthropic": "Edit files with edit_file; old_string must be exactly what the file holds, and occur once.",
    "google": "Edit files with edit_file; old_string must be exactly what the file holds, and occur once.",
}

_TOOLS: Final = """\
Paths are inside the workspace; absolute ones elsewhere, .. and links that lead out of it are refused.
Each shell command starts in the workspace and has a time limit; nothing it leaves in the background survives it.
Calls that only read can be made together in one turn. An output that is too long is cut; the mark in it says where the
rest is."""


def system_prompt(family: str, model: str, date: str, git: str, bench: Bench, project: Instructions) -> str:
    """Return the layers from the general to the particular.

    Args:
        date: YYYY-MM-DD.
        git: what `git_snapshot` found.
    """
    layers = (
        _BASE,
        f"# Environment\n\n{_environment(bench.workspace, model, date, git)}",
        f"# Tools\n\n{_EDITING[family]}\n{_TOOLS}",
        f"# What the project says\n\n{project.text}" if project.text else "",
    )
    return "\n\n".join(layer for layer in layers if layer)


def _environment(workspace: Path, model: str, date: str, git: str) -> str:
    lines = [
        f"- workspace: {workspace}",
        f"- platform: {platform.system()} {platform.release()}, {platform.machine()}",
        f"- date: {date}",
        f"- model: {model}",
        *([git] if git else ["- git: not a repository"]),
    ]
    return "\n".join(lines)


def git_snapshot(bench: Bench) -> str:
    """Return branch, number of changed and new files and the last subjects, as a list; "" where there is no git."""
    if not any((place / ".git").exists() for place in (bench.workspace, *bench.workspace.parents)):
        return ""
    command = (
        "git --no-optional-locks -c core.fsmonitor=false status --porcelain=v1 --branch 2>/dev/null && echo && "
        f"git log -{_SUBJECTS} --format=%s 2>/dev/null; true"
    )
    try:
        captured = capture(command, bench, timeout_ms=GIT_TIMEOUT_MS)
    except Refusal:
        return ""
    status, _, subjects = captured.stdout.partition("\n\n")
    head, *changes = status.splitlines() or [""]
    if not head.startswith("## "):
        return ""
    new = sum(line.startswith("??") for line in changes)
    lines = [
        f"- git branch: {head.removeprefix('## ').partition('...')[0]}",
        f"- changed files: {len(changes) - new}, new files: {new}",
    ]
    if subjects.strip():
        lines += ["- last commits:", *(f"  - {subject[:100]}" for subject in subjects.splitlines() if subject.strip())]
    return "\n".join(lines)
