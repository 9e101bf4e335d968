"""YAML (or JSON) text -> plain values, and where each of them stands.

Read from the parser's events with a stack of our own: nothing recursive, no tags, no merge keys, aliases bounded.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from .diagnostics import Diagnostic, Related
from .source import MAX_SOURCE_BYTES, Source, Span
from .yaml_values import plain_value

MAX_DEPTH = 64
MAX_EXPANDED = 10_000  # values that aliases may add to those that are written
MAX_SYNTAX_ERRORS = 20

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_UNREADABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_UNREADABLE_ASCII = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"  # the same, for text that has no other letters: made in no time
_BLOCK = re.compile(r"""^(?:[A-Za-z_][\w.-]*+|"[^"\n]*+"|'[^'\n]*+')[ \t]*+:(?=[ \t\r\n]|\Z)""", re.M)
_ANCHOR = re.compile(r"[&!]\S*+\s++")
_SYNTAX = {  # part of the parser's words -> ours
    "mapping values are not allowed": 'a ":" cannot stand here; put the value in quotes, or check the indentation',
    "did not find expected key": "wrongly indented, or no `key: value`",
    "did not find expected '-' indicator": "wrongly indented: expected another `- ` of the list above",
    "block sequence entries are not allowed": "a list item cannot stand here; begin a new line",
    "cannot start any token": "a value cannot begin with this character; put it in quotes",
    "unknown escape character": "unknown escape in double quotes; write the backslash twice, or use single quotes",
    "did not find expected <document start>": "the text goes on where the document has ended; wrongly indented?",
}

_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_REFUSED = "<<"  # stands for every key that was refused: its value is read, and dropped


class Document(NamedTuple):
    """What a file holds. `spans`: JSON pointer -> (key, value); an item of a list has its value twice."""

    values: Any
    spans: dict[str, tuple[Span, Span]]
    whole: bool  # False when syntax errors made parts of the file unreadable


class _Open:
    """A mapping or sequence that is being read."""

    __slots__ = ("anchor", "as_key", "end", "key", "key_span", "keys", "start", "values", "weight")

    def __init__(self, values: "dict[str, _Node] | list[_Node]", start: int, anchor: str | None) -> None:
        self.values = values
        self.start = start
        self.end = start
        self.anchor = anchor
        self.key: str | None = None
        self.key_span: Span | None = None
        self.keys: dict[str, Span] = {}
        self.weight = 1
        self.as_key = False  # it stands where a key should: reported once, not again for what is in it


class _Node(NamedTuple):
    """A finished value: a scalar, or a mapping or list of nodes."""

    value: Any
    span: Span
    keys: Mapping[str, Span]
    weight: int  # how many values it holds when every alias is written out


def read_yaml(source: Source) -> tuple[Document, list[Diagnostic]]:
    """Return the one document of `source` with all its errors; parts that cannot be read are left out."""
    text, base = source.text, 0
    if text.startswith("\ufeff"):
        text, base = text[1:], 1
    if len(text) > MAX_SOURCE_BYTES:
        size = f"file is larger than {MAX_SOURCE_BYTES // 2**20} MiB"
        start = source.span(0, 1)
        return Document(None, {"": (start, start)}, False), [Diagnostic("run_syntax", start, size)]
    pattern = _unreadable_in(text)
    unreadable = [
        Diagnostic("run_syntax", source.span(base + bad.start(), base + bad.end()), _unreadable_message(bad.group()))
        for _, bad in zip(range(MAX_SYNTAX_ERRORS), pattern.finditer(text))  # noqa: B905
    ]
    if unreadable:
        text = pattern.sub("x", text)
    reader = _Reader(source)
    root = reader.read(text, base)
    found = unreadable + reader.found
    whole = not unreadable and not reader.broken
    if reader.broken:
        root, more = _read_blocks(source, text, base, reader)
        found = unreadable + more
    start = source.span(base, base)
    spans = {"": (start, start)}
    return Document(_plain(root, spans), spans, whole), found


def read_value(source: Source, start: int) -> tuple[Document, list[Diagnostic]]:
    """Return the value that the text of `source` from `start` on holds; positions count in the whole text."""
    if bad := _unreadable_in(source.text).search(source.text, start):
        wrong = Diagnostic("run_syntax", source.span(bad.start(), bad.end()), _unreadable_message(bad.group()))
        return Document(None, {}, False), [wrong]
    reader = _Reader(source)
    root = reader.read(source.text[start:], start)
    spans: dict[str, tuple[Span, Span]] = {}
    return Document(_plain(root, spans), spans, not reader.broken), reader.found


def _unreadable_in(text: str) -> re.Pattern[str]:
    """Return the pattern of what YAML cannot hold."""
    return re.compile(_UNREADABLE_ASCII if text.isascii() else _UNREADABLE)


def _unreadable_message(character: str) -> str:
    name = "byte order mark" if character == "\ufeff" else f"character U+{ord(character):04X}"
    return f"{name} is not allowed in YAML; remove it, or write it as an escape in double quotes"


def _read_blocks(source: Source, text: str, base: int, first: "_Reader") -> tuple[_Node | None, list[Diagnostic]]:
    """Read each top-level entry of a broken file alone: the others still count, and each shows its own first error."""
    starts = [match.start() for match in _BLOCK.finditer(text)]
    if len(starts) < 2:
        return None, first.found
    values: dict[str, _Node] = {}
    keys: dict[str, Span] = {}
    found: list[Diagnostic] = []
    broken = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        reader = _Reader(source, alone=True)
        node = reader.read(text[start:end], base + start)
        broken += reader.broken
        if broken <= MAX_SYNTAX_ERRORS:
            found += reader.found
        if node is None or reader.broken or not isinstance(node.value, dict):
            continue
        for key, value in node.value.items():
            if key in keys:
                found.append(_duplicate(key, node.keys[key], keys[key]))
            else:
                keys[key], values[key] = node.keys[key], value
    if not broken:  # each entry is fine alone: what is wrong lies between them
        found = first.found
    return _Node(values, source.span(base, base + len(text)), keys, 1), found


class _Reader:
    """Builds nodes from events. `found` collects; `broken` says that the text is no YAML from some place on."""

    def __init__(self, source: Source, *, alone: bool = False) -> None:
        self.source = source
        self.alone = alone  # a piece of a file: its aliases may lead outside
        self.found: list[Diagnostic] = []
        self.broken = False
        self.base = 0
        self.text = ""
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Node | None] = {}  # None: still open, or given up
        self.expanded = 0
        self.root: _Node | None = None
        self.documents = 0

    def read(self, text: str, base: int) -> _Node | None:
        self.text, self.base = text, base
        try:
            for event in yaml.parse(text, Loader=_Loader):
                if not self._take(event):
                    break
        except yaml.YAMLError as error:
            self._broken(error)
        return self.root

    def _report(self, rule: str, span: Span, message: str, **more: Any) -> None:
        self.found.append(Diagnostic(rule, span, message, **more))

    def _span(self, start: int, end: int) -> Span:
        return self.source.span(self.base + start, self.base + end)

    def _broken(self, error: yaml.YAMLError) -> None:
        """Report where the parser gave up: in our words, and at what is wrong rather than at what it ran into."""
        self.broken = True
        problem = str(getattr(error, "problem", None) or "this is not YAML")
        at, opened = _index(error, "problem_mark", self.text), _index(error, "context_mark", self.text)
        if "nesting depth" in problem:  # newer libyaml has a bound of its own
            self._report("run_syntax", self._span(at, at + 1), f"nested deeper than {MAX_DEPTH} levels")
            return
        context = str(getattr(error, "context", None) or "")
        message = next((words for part, words in _SYNTAX.items() if part in problem), "")
        related: tuple[Related, ...] = ()
        if self.text[at : at + 1] == "\t":
            message = "a tab cannot indent or begin a value; use spaces"
        elif "nesting depth" in problem:  # a limit of libyaml's own, met before any event reaches ours
            message = _TOO_DEEP
        elif "flow" in context and self.text[opened : opened + 1] in {"[", "{"}:
            related = (Related(self._span(*_visible(self.text, at)), "cannot be read as part of it"),)
            message, at = f'"{self.text[opened]}" is not closed, or a comma is missing in it', opened
        elif "quoted" in context and "stream" in problem:
            message, at = "this quote is not closed", opened
        elif "simple key" in context:
            message, at = 'a ":" is missing after this key', opened
        span = self._span(at, at + 1) if related else self._span(*_visible(self.text, at))
        self._report("run_syntax", span, message or " ".join(filter(None, (problem, context))), related=related)

    def _take(self, event: Any) -> bool:
        """Take one event in; False ends the reading."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                return self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close(event)
            case yaml.DocumentStartEvent():
                return self._document(event)
            case _:
                pass
        return True

    def _document(self, event: Any) -> bool:
        self.documents += 1
        if self.documents == 2:
            start, end = _visible(self.text, event.start_mark.index)
            self._report("run_multiple_documents", self._span(start, end),
                         "a second document begins here; a file holds one: split it, or remove the `---`")  # fmt: skip
        return self.documents == 1

    def _open(self, event: Any) -> bool:
        start = event.start_mark.index
        self._tag(event)
        if len(self.stack) == MAX_DEPTH:
            self._report("run_syntax", self._span(start, start + 1), _TOO_DEEP)
            self.broken = True
            return False
        values: dict[str, _Node] | list[_Node] = {} if isinstance(event, yaml.MappingStartEvent) else []
        parent = self.stack[-1] if self.stack else None
        opened = _Open(values, start, event.anchor)
        if parent is not None:
            opened.as_key = parent.as_key or (isinstance(parent.values, dict) and parent.key is None)
            if opened.as_key and not parent.as_key:
                self._report(
                    "run_syntax", self._span(start, start + 1), "a key must be a word, not a mapping or a list"
                )
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(opened)
        return True

    def _close(self, event: Any) -> None:
        done = self.stack.pop()
        end = event.end_mark.index if event.end_mark.index > event.start_mark.index else done.end
        node = _Node(done.values, self._span(done.start, max(end, done.start)), done.keys, done.weight)
        if done.anchor:
            self.anchors[done.anchor] = node
        self._add(node, end)

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self._tag(event)
        if event.anchor or event.tag:
            skipped = 0
            while skipped < 2 and (prefix := _ANCHOR.match(self.text, start, end)):
                start, skipped = prefix.end(), skipped + 1
        if event.style in {"|", ">"}:
            end = start + len(self.text[start:end].rstrip())
        span = self._span(start, end)
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.values, dict) and parent.key is None:
            self._key(parent, event.value, span)
            return
        value = plain_value(event.value) if not event.style and event.implicit[0] else event.value
        if start == end and parent is not None:  # nothing is written: its key, or its dash, stands for it
            span = parent.key_span or self._span(*_visible(self.text, max(start - 1, 0)))
        node = _Node(value, span, {}, 1)
        if event.anchor:
            self.anchors[event.anchor] = node
        self._add(node, end)

    def _key(self, parent: _Open, key: str, span: Span) -> None:
        if key == _REFUSED:
            self._report("run_syntax", span, "merge keys are not supported; write the keys out")
        elif key in parent.keys:
            self.found.append(_duplicate(key, span, parent.keys[key]))
        parent.key, parent.key_span = key, span
        parent.end = span.end - self.base

    def _alias(self, event: Any) -> None:
        start, end, name = event.start_mark.index, event.end_mark.index, event.anchor
        span = self._span(start, end)
        target = self.anchors.get(name)
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.values, dict) and parent.key is None:
            self._report("run_syntax", span, "a key must be a word, not an alias")
            parent.key, parent.key_span = _REFUSED, span
            return
        if target is not None:
            self.expanded += target.weight
            if self.expanded > MAX_EXPANDED:
                if self.expanded - target.weight <= MAX_EXPANDED:
                    self._report(
                        "run_syntax", span, f"aliases expand to more than {MAX_EXPANDED} values; write them out"
                    )
                self.expanded += MAX_EXPANDED
                target = None
        elif name in self.anchors:
            self._report("run_syntax", span, f"alias *{name} stands inside the value that it names")
        elif not self.alone:
            self._report("run_syntax", span, f"alias *{name} names no anchor above it")
        self._add(target._replace(span=span) if target is not None else _Node(None, span, {}, 1), end)

    def _add(self, node: _Node, end: int) -> None:
        if not self.stack:
            if self.root is None:
                self.root = node
            return
        parent = self.stack[-1]
        parent.end = max(parent.end, end if node.value is not None else parent.end)
        parent.weight += node.weight
        if isinstance(parent.values, list):
            parent.values.append(node)
        elif parent.key is None:  # a mapping or list as a key, reported when it began
            parent.key, parent.key_span = _REFUSED, node.span
        else:
            if parent.key != _REFUSED and parent.key not in parent.keys and parent.key_span is not None:
                parent.values[parent.key] = node
                parent.keys[parent.key] = parent.key_span
            parent.key = None

    def _tag(self, event: Any) -> None:
        if event.tag and event.tag != "!":
            start, end = _visible(self.text, event.start_mark.index)
            self._report("run_syntax", self._span(start, end), "tags are not allowed; write the plain value")


def _duplicate(key: str, span: Span, first: Span) -> Diagnostic:
    line, _ = first.position
    return Diagnostic("run_duplicate_key", span, f'key "{key}" is given twice, first on line {line}; keep one',
                      subject=key, related=(Related(first, f'"{key}" first given here'),))  # fmt: skip


def _index(error: yaml.YAMLError, name: str, text: str) -> int:
    mark = getattr(error, name, None) or getattr(error, "problem_mark", None)
    return min(mark.index if mark is not None else 0, len(text))


def _visible(text: str, at: int) -> tuple[int, int]:
    """Return a stretch at `at` that can be underlined: to the end of its word; at a line's end the word before."""
    end = at
    while end < len(text) and end - at < 40 and not text[end].isspace() and text[end] not in ",]}":
        end += 1
    if end > at:
        return at, end
    if at < len(text) and text[at] not in "\r\n":
        return at, at + 1
    start = len(text[max(0, at - 200) : at].rstrip()) + max(0, at - 200)
    return (max(start - 1, 0), start) if start else (at, at)


def _plain(root: _Node | None, spans: dict[str, tuple[Span, Span]]) -> Any:
    """Return the plain values of `root`, and enter every value's place into `spans`."""
    if root is None:
        return None
    holder: list[Any] = [None]
    spans[""] = (root.span, root.span)
    waiting: list[tuple[_Node, str, Any, Any]] = [(root, "", holder, 0)]
    while waiting:
        node, pointer, into, at = waiting.pop()
        value = node.value
        if isinstance(value, dict):
            into[at] = made = dict.fromkeys(value)
            for key, child in value.items():
                path = f"{pointer}/{pointer_part(key)}"
                spans[path] = (node.keys[key], child.span)
                waiting.append((child, path, made, key))
        elif isinstance(value, list):
            into[at] = listed = [None] * len(value)
            for index, child in enumerate(value):
                path = f"{pointer}/{index}"
                spans[path] = (child.span, child.span)
                waiting.append((child, path, listed, index))
        else:
            into[at] = value
    return holder[0]


def pointer_part(key: str | int) -> str:
    """Return `key` as a part of a JSON pointer."""
    return str(key).replace("~", "~0").replace("/", "~1")


def pointer_to(path: Sequence[str | int]) -> str:
    return "".join(f"/{pointer_part(part)}" for part in path)
