"""`edit_file`: one text for another, at the one place that is meant."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ...outcome import Json
from .contract import Bench, Cut, Refusal, Result, Tool
from .matching import nearest, plain
from .places import locate
from .texts import newline_of, read_bytes, split_lines, to_bytes, to_text, unix
from .write_file import check_writable, replace_file

_NUMBERED: Final = re.compile(r"\s*[0-9]+ \| ")
_MOST_NUMBERS: Final = 10


class Edited(NamedTuple):
    text: str
    lines: Sequence[int]  # where the replacements stand in the old text, from 1
    note: str  # how the text was found, when not exactly


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    given, old, new = (str(arguments[name]) for name in ("file_path", "old_string", "new_string"))
    with locate(bench, given) as place:
        text = to_text(read_bytes(place, given))
        check_writable(place, given)
        edited = edit(text, old, new, given, everywhere=arguments.get("replace_all") is True)
        replace_file(place, to_bytes(edited.text))
    times = len(edited.lines)
    count = "1 replacement" if times == 1 else f"{times} replacements"
    return Result(f"edited {place.path}: {count} at line {_listed(edited.lines)}{edited.note}")


def edit(text: str, old: str, new: str, given: str, *, everywhere: bool) -> Edited:
    """Return `text` with `old` replaced by `new`, in the file's own line ends.

    Raises:
        Refusal: `old` is not there, or there more than once and not meant everywhere.
    """
    if not old:
        raise Refusal("old_string is empty; give the text to replace, or use write_file for a whole file")
    if old == new:
        raise Refusal("old_string and new_string are the same; nothing would change")
    spans, note = _find(text, old)
    if not spans:
        raise Refusal(_not_found(text, old, given))
    numbers = [text.count("\n", 0, start) + 1 for start, _ in spans]
    if len(spans) > 1 and not everywhere:
        raise Refusal(
            f"old_string occurs {len(spans)} times in {given!r}, at line {_listed(numbers)}: "
            "give more of the lines around the one you mean, or set replace_all"
        )
    ends = newline_of(split_lines(text))
    mended = unix(new).replace("\n", ends) if ends in text else new
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += (text[at:start], mended)
        at = end
    return Edited("".join([*pieces, text[at:]]), numbers, note)


def _find(text: str, old: str) -> tuple[list[tuple[int, int]], str]:
    """Return the places of `old`, by the first way that finds any, and what to say about that way."""
    spellings = dict.fromkeys((old, unix(old), unix(old).replace("\n", "\r\n")))
    views: Sequence[tuple[Callable[[str], str], str]] = (
        (lambda view: view, ""),
        (plain, " (old_string differs from the file in quotes, dashes or spaces)"),
    )
    for view, note in views:
        seen = view(text)
        for spelling in spellings:
            spans = list(_occurrences(seen, view(spelling)))
            if spans:
                return spans, note
    return _whole_lines(text, old), " (old_string differs from the file in blanks at line ends)"


def _occurrences(text: str, wanted: str) -> Iterator[tuple[int, int]]:
    at = text.find(wanted)
    while at >= 0:
        yield at, at + len(wanted)
        at = text.find(wanted, at + len(wanted))


def _whole_lines(text: str, old: str) -> list[tuple[int, int]]:
    """Return where the lines of `old` stand as whole lines, blanks at their ends aside."""
    wanted = [plain(line).rstrip() for line in old.split("\n")]
    with_end = len(wanted) > 1 and wanted[-1] == ""
    if with_end:
        wanted.pop()
    if not any(wanted):
        return []
    lines = text.split("\n")
    seen = [plain(line).rstrip() for line in lines]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    spans: list[tuple[int, int]] = []
    index = 0
    while index <= len(lines) - len(wanted):
        if seen[index : index + len(wanted)] != wanted:
            index += 1
            continue
        after = index + len(wanted)
        end = starts[after] - 1 - lines[after - 1].endswith("\r")
        spans.append((starts[index], min(starts[after], len(text)) if with_end else end))
        index = after
    return spans


def _not_found(text: str, old: str, given: str) -> str:
    said = f"old_string is not in {given!r}; it must be the file's own text, blanks and line breaks included"
    wanted = unix(old).split("\n")
    if all(_NUMBERED.match(line) for line in wanted if line.strip()):
        return f"{said}; leave out the line numbers that read_file puts before each line"
    close = nearest(unix(text).split("\n"), wanted)
    return f"{said}\nclosest to it:\n{close}" if close else said


def _listed(numbers: Sequence[int]) -> str:
    listed = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    return f"{listed}, …" if len(numbers) > _MOST_NUMBERS else listed


TOOL: Final = Tool(
    name="edit_file",
    description=(
        "Replace a piece of text in a file of the workspace. old_string must be the file's own text, character by "
        "character, and occur once: give enough lines around the change; or set replace_all to change it everywhere."
    ),
    parameters={
        "type": "object",
        "properties": {
            "file_path": {"type": "string", "description": "The file, relative to the workspace."},
            "old_string": {"type": "string", "description": "The text to replace, without line numbers."},
            "new_string": {"type": "string", "description": "The text to put there; may be empty."},
            "replace_all": {"type": "boolean", "description": "Replace every occurrence; default false."},
        },
        "required": ["file_path", "old_string", "new_string"],
        "additionalProperties": False,
    },
    cut=Cut(10_000, "tail"),
    reads_only=False,
    run=_run,
)
