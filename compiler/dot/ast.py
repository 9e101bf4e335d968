"""The syntax tree: what the author wrote, each piece with its span. Meaning is the graph builder's business."""

from typing import NamedTuple

from ..source import MappedText, Span


class Name(NamedTuple):
    """An id where it stands; also one that had to be reported, so that all its places still agree."""

    text: str
    span: Span


class Assignment(NamedTuple):
    """`key=value`. The spans cover the key and the value with its quotes."""

    key: str
    value: MappedText
    key_span: Span
    value_span: Span
    quoted: bool


class NodeStatement(NamedTuple):
    name: Name
    attributes: tuple[Assignment, ...]


class EdgeStatement(NamedTuple):
    """A chain of at least two names; its attributes belong to every arrow."""

    names: tuple[Name, ...]
    attributes: tuple[Assignment, ...]


class AttributeStatement(NamedTuple):
    """`graph [..]` and `key = value` (scope "graph"), `node [..]`, `edge [..]`."""

    scope: str
    attributes: tuple[Assignment, ...]


class SubgraphStatement(NamedTuple):
    name: str  # "" when it has none
    span: Span  # from the keyword to the opening brace
    body: "tuple[Statement, ...]"


Statement = NodeStatement | EdgeStatement | AttributeStatement | SubgraphStatement


class Document(NamedTuple):
    name: Name
    body: tuple[Statement, ...]
    whole: bool  # False when syntax errors hide part of the graph
