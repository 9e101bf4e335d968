"""Which tools a model is given: each family those it was trained with."""

from collections.abc import Mapping, Sequence
from typing import Final

from ..llm.messages import ToolDefinition
from .tools import apply_patch, edit_file, globbing, grep, list_dir, read_file, shell, write_file
from .tools.contract import Tool

_COMMON: Final = (globbing.TOOL, grep.TOOL, list_dir.TOOL, read_file.TOOL, shell.TOOL, write_file.TOOL)
_EDITING: Final[Mapping[str, Tool]] = {
    "openai": apply_patch.TOOL,
    "anthropic": edit_file.TOOL,
    "google": edit_file.TOOL,
}
FAMILIES: Final = tuple(_EDITING)


def tools_of(family: str) -> tuple[Tool, ...]:
    """Return the tools of a family, sorted by name; `report_outcome` is the session's."""
    return tuple(sorted((*_COMMON, _EDITING[family]), key=lambda tool: tool.name))


def definitions(tools: Sequence[Tool]) -> tuple[ToolDefinition, ...]:
    """Return what a request says about the tools."""
    return tuple(ToolDefinition(tool.name, tool.description, tool.parameters) for tool in tools)
