"""The programs that `backend: cli` can start, by the name of their executable."""

from collections.abc import Mapping
from typing import Final

from .claude import CLAUDE
from .codex import CODEX
from .contract import Program
from .gemini import GEMINI

PROGRAMS: Final[Mapping[str, Program]] = {program.name: program for program in (CLAUDE, CODEX, GEMINI)}
