"""What a project tells agents: AGENTS.md and its kin, from the repository's top down to the workspace."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

NAMES: Final[Mapping[str, Sequence[str]]] = {
    "openai": ("AGENTS.md", ".codex/instructions.md"),
    "anthropic": ("AGENTS.md", "CLAUDE.md"),
    "google": ("AGENTS.md", "GEMINI.md"),
}
MOST_BYTES: Final = 32 * 1024
CUT: Final = "[Project instructions truncated at 32KB]"


class Instructions(NamedTuple):
    text: str  # "" when there are none
    files: Sequence[str]  # relative to the top
    cut: bool


def read_instructions(workspace: Path, family: str) -> Instructions:
    """Return the instruction files of a family, root first; a file under two names is read once.

    A link that leads out of the repository is not followed.
    """
    folder = workspace.resolve()
    top = _top(folder)
    parts: list[str] = []
    files: list[str] = []
    left, cut = MOST_BYTES, False
    for path in _files(top, folder, NAMES[family]):
        content = _read(path, left + 1)
        if content is None or not content.strip():
            continue
        if len(content) > left:
            content, cut = content[:left], True
        name = str(path.relative_to(top))
        parts.append(f"## {name}\n\n{content.decode('utf-8', 'ignore' if cut else 'replace').strip()}")
        files.append(name)
        left -= len(content)
        if cut or not left:
            break
    text = "\n\n".join([*parts, *([CUT] if cut else [])])
    return Instructions(text, files, cut)


def _top(folder: Path) -> Path:
    """Return the top of the checkout that holds `folder`; itself without one."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)


def _files(top: Path, folder: Path, names: Sequence[str]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    steps = folder.relative_to(top).parts
    for depth in range(len(steps) + 1):
        for name in names:
            path = top.joinpath(*steps[:depth], name)
            try:
                facts = path.stat()
            except OSError:
                continue
            if (facts.st_dev, facts.st_ino) in seen or not path.is_file() or not path.resolve().is_relative_to(top):
                continue
            seen.add((facts.st_dev, facts.st_ino))
            yield path


def _read(path: Path, most: int) -> bytes | None:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(most)
    except OSError:
        return None
