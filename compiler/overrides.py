"""`--set llm.providers.kimi.api.base_url=URL`: one key of run.yaml, given on the command line."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .diagnostics import Diagnostic
from .providers import canonical_provider
from .source import Source, Span
from .yaml_reader import pointer_part, pointer_to, read_value

PATH = "--set"  # stands where a file's path would, in diagnostics

_PART = re.compile(r'"(?P<quoted>[^"]*+)"|(?P<plain>[^."=]++)')

Spans = dict[str, tuple[Span, Span]]


def apply_overrides(
    values: dict[str, Any], spans: Spans, arguments: Sequence[str]
) -> tuple[dict[str, str], list[Diagnostic]]:
    """Put each argument's value into `values` and its place into `spans`, both changed.

    Returns:
        JSON pointer -> the argument, for every value that came from one; and what is wrong with the arguments.
    """
    origins: dict[str, str] = {}
    found: list[Diagnostic] = []
    for argument in arguments:
        source = Source(PATH, argument)
        parts = _parts(source)
        if not parts:
            usage = 'must be KEY=VALUE, with KEY like llm.providers.kimi.backend; quote a part that holds a "."'
            found.append(Diagnostic("run_syntax", source.span(0, len(argument)), f"--set {usage}"))
            continue
        document, wrong = read_value(source, parts[-1][1].end + len('="' if _quoted(parts[-1][1]) else "="))
        found += wrong
        if wrong:
            continue
        path, problem = _put(values, spans, parts, document.values)
        if problem is not None:
            found.append(problem)
            continue
        pointer = pointer_to(path)
        for old in [known for known in spans if known == pointer or known.startswith(f"{pointer}/")]:
            del spans[old]
            origins.pop(old, None)
        value_span = document.spans[""][1] if "" in document.spans else source.span(0, len(argument))
        if value_span.start == value_span.end:
            value_span = source.span(0, len(argument))
        spans[pointer] = (parts[-1][1], value_span)
        origins[pointer] = argument
        for below, places in document.spans.items():
            if below:
                spans[pointer + below] = places
                origins[pointer + below] = argument
    return origins, found


def _quoted(span: Span) -> bool:
    return span.source.text[span.end : span.end + 1] == '"'


def _parts(source: Source) -> list[tuple[str, Span]]:
    """Return the parts of the key before `=`, or nothing when the argument has not that form."""
    text, at = source.text, 0
    parts: list[tuple[str, Span]] = []
    while match := _PART.match(text, at):
        group = "plain" if match["quoted"] is None else "quoted"
        parts.append((match[group], source.span(match.start(group), match.end(group))))
        at = match.end() + 1
        if text[match.end() : at] == "=":
            return parts
        if text[match.end() : at] != ".":
            return []
    return []


def _same_provider(keys: Iterable[str], key: str) -> str:
    """Return the one of `keys` that names the same provider: the command line may use another alias."""
    canonical = canonical_provider(key)
    return next((known for known in keys if known != key and canonical_provider(known) == canonical), key)


def _put(
    values: Any, spans: Spans, parts: Sequence[tuple[str, Span]], value: Any
) -> tuple[list[str | int], Diagnostic | None]:  # fmt: skip
    """Set the value that `parts` lead to; mappings on the way are made as needed."""
    holder, path = values, list[str | int]()
    for index, (part, span) in enumerate(parts):
        last = index == len(parts) - 1
        key: str | int = part
        if isinstance(holder, list):
            if not part.isdecimal() or int(part[:6]) > len(holder):
                message = f'"{part}" is no place in "{path[-1]}": a number from 0 to {len(holder)}'
                return path, Diagnostic("run_range", span, message, subject=pointer_to(path))
            key = int(part)
            if key == len(holder):
                holder.append(None)
        elif path == ["llm", "providers"]:
            key = _same_provider(holder, part)
        path.append(key)
        if last:
            holder[key] = value
        else:
            below = holder[key] if isinstance(key, int) else holder.get(key)
            if not isinstance(below, dict | list):
                holder[key] = below = {}
                pointer = pointer_to(path[:-1]) + f"/{pointer_part(key)}"
                spans[pointer] = (span, span)
            holder = below
    return path, None
