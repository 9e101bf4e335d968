"""docs/investigations/streamed-tool-arguments.md shows the sequences as they are, and both readers' results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .sequences import SseSequence, decoded, finished, naive_arguments, read_sequences

PAGE = Path(__file__).parents[2] / "docs" / "investigations" / "streamed-tool-arguments.md"
BEGIN, END = "<!-- sequences -->\n", "<!-- end of sequences -->"
FIELD = ("start_input_", "delta_only_")


def rows() -> str:
    shown = [sequence for sequence in read_sequences() if _shown(sequence)]
    lines = [
        "| sequence | start's input | deltas | naive reader | read as |",
        "|---|---|---|---|---|",
        *map(_row, shown),
    ]
    return "\n" + "\n".join(lines) + "\n\n"


def _shown(sequence: SseSequence) -> bool:
    return sequence.name.startswith(FIELD) or "naive" in sequence.expect


def _row(sequence: SseSequence) -> str:
    (naive,) = naive_arguments(sequence.events)
    (call,) = finished(decoded(sequence)).calls
    read = f"`{_dumps(call.arguments)}`" if call.arguments is not None else str(call.state)
    note = f", {call.note}" if call.note else ""
    broken = "" if _is_json(naive) else ", **invalid**"
    start, deltas = _block(sequence)
    return f"| {sequence.name} | {start} | {deltas} | `{naive}`{broken} | {read}{note} |"


def _block(sequence: SseSequence) -> tuple[str, str]:
    """Return what the start and the deltas of the one block hold."""
    records: list[Mapping[str, Any]] = [data for _, data in sequence.events]
    (start,) = [record["content_block"] for record in records if record["type"] == "content_block_start"]
    texts = [record["delta"]["partial_json"] for record in records if record["type"] == "content_block_delta"]
    return (
        f"`{_dumps(start['input'])}`" if "input" in start else "absent",
        " then ".join(f"`{text}`" for text in texts) or "none",
    )


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_the_page_shows_the_sequences_as_they_are(update_golden: bool) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    shown, _, after = rest.partition(END)
    if update_golden:
        PAGE.write_text(before + BEGIN + rows() + END + after, encoding="utf-8")
        return

    assert rows() == shown
