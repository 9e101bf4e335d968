"""Syntax tree to meaning: defaults in scope, subgraphs and the classes they give, chains, conditions, adjacency."""

import re
from collections.abc import Iterator
from itertools import pairwise

from .attributes import aliases
from .bounded import Bounded
from .comma_list import split_words
from .condition import parse_condition
from .diagnostics import Diagnostic, Related, Severity
from .dot.ast import (
    Assignment,
    AttributeStatement,
    Document,
    EdgeStatement,
    Name,
    NodeStatement,
    Statement,
    SubgraphStatement,
)
from .graph import Attribute, Attributes, Clause, Edge, Graph, Level, Node, Subgraph
from .source import Source, Span
from .stylesheet import parse_stylesheet

MAX_DEFAULTS = 256  # attributes that one scope sets for all its nodes: what every node carries must be bounded

_CLASS_BREAK = re.compile(r"[\s,]++")
_NOT_IN_CLASS = re.compile(r"[^a-z0-9-]++")
_CLASS_NAME = re.compile(r"[a-z0-9-]++")

Mutable = dict[str, Attribute]


def build_graph(document: Document, source: Source) -> tuple[Graph, list[Diagnostic]]:
    """Return the graph that `document` means, and what its statements, conditions and stylesheet have wrong."""
    builder = _Builder(source)
    builder.read(document.body)
    return builder.graph(document), builder.found.all()


class _Scope:
    """A graph or subgraph: what it sets for what follows in it. Its defaults are replaced, never changed."""

    __slots__ = ("attributes", "edge_defaults", "node_defaults", "nodes", "parent", "statement")

    def __init__(self, parent: "_Scope | None", statement: SubgraphStatement | None) -> None:
        self.parent = parent
        self.statement = statement
        self.node_defaults: Mutable = parent.node_defaults if parent else {}
        self.edge_defaults: Mutable = parent.edge_defaults if parent else {}
        self.attributes: Mutable = {}
        self.nodes: dict[str, None] = {}

    def enclosing(self) -> "Iterator[_Scope]":
        """Yield this scope and those around it that are subgraphs, innermost first."""
        scope: _Scope | None = self
        while scope is not None and scope.statement is not None:
            yield scope
            scope = scope.parent


class _Draft:
    """A node while its statements are read."""

    __slots__ = ("declared", "defaults", "first", "homes", "own", "span")

    def __init__(self, span: Span, scope: _Scope) -> None:
        self.span = span
        self.homes = [scope]  # where it is declared; while it is not, where an edge first mentions it
        self.defaults = scope.node_defaults
        self.declared = False
        self.first: Span | None = None  # its id in the first statement that sets attributes
        self.own: Mutable = {}


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.found = Bounded()
        self.aliases = {scope: aliases(scope) for scope in ("graph", "node", "edge")}
        self.drafts: dict[str, _Draft] = {}
        self.edges: list[Edge] = []
        self.root = _Scope(None, None)
        self.scope = self.root
        self.subgraphs: list[_Scope] = []
        self.classes_reported: set[int] = set()
        self.default_blocks: list[AttributeStatement] = []
        self.used_edge_defaults: dict[int, Mutable] = {}  # by identity
        self.conditions: dict[int, tuple[Clause, ...]] = {}  # by where they stand: chains and defaults share theirs

    def read(self, body: tuple[Statement, ...]) -> None:
        open_bodies = [iter(body)]
        while open_bodies:
            for statement in open_bodies[-1]:
                if isinstance(statement, SubgraphStatement):
                    self.scope = _Scope(self.scope, statement)
                    self.subgraphs.append(self.scope)
                    open_bodies.append(iter(statement.body))
                    break
                self._statement(statement)
            else:
                open_bodies.pop()
                self.scope = self.scope.parent or self.root

    def _statement(self, statement: NodeStatement | EdgeStatement | AttributeStatement) -> None:
        match statement:
            case NodeStatement():
                self._node(statement)
            case EdgeStatement():
                self._edges(statement)
            case AttributeStatement("graph"):
                self._graph_attributes(statement)
            case AttributeStatement("node"):
                self.scope.node_defaults = self._defaults(statement, self.scope.node_defaults)
            case AttributeStatement():
                self.scope.edge_defaults = self._defaults(statement, self.scope.edge_defaults)

    def _take(self, assignments: tuple[Assignment, ...], scope: str, level: Level) -> Mutable:
        """Return the attributes of one statement by canonical name; of two with the same name the last one holds."""
        canonical = self.aliases[scope]
        taken: Mutable = {}
        for written in assignments:
            key = canonical.get(written.key, written.key)
            if key in taken:
                self._duplicate(taken[key], written.key_span)
            taken[key] = Attribute(key, written.value, written.key_span, written.value_span, written.quoted, level)
        return taken

    def _duplicate(self, first: Attribute, again: Span) -> None:
        other = "" if first.written_key == again.text else f', first as "{first.written_key}"'
        message = f'"{again.text}" is set twice{other}; keep one of them'
        related = (Related(first.key_span, "first set here"),)
        self.found.add(Diagnostic("duplicate_attribute", again, message, subject=first.key, related=related))

    def _graph_attributes(self, statement: AttributeStatement) -> None:
        attributes = self.scope.attributes
        for key, attribute in self._take(statement.attributes, "graph", Level.OWN).items():
            first = attributes.get(key)
            if first is not None and first.text != attribute.text:
                self._duplicate(first, attribute.key_span)
            attributes[key] = attribute

    def _defaults(self, statement: AttributeStatement, before: Mutable) -> Mutable:
        defaults = before | self._take(statement.attributes, statement.scope, Level.DEFAULT)
        if len(defaults) <= MAX_DEFAULTS:
            self.default_blocks.append(statement)
            return defaults
        message = f"more than {MAX_DEFAULTS} defaults for every {statement.scope}; these are not read"
        span = statement.attributes[0].key_span.to(statement.attributes[-1].value_span)
        self.found.add(Diagnostic("dot_limit", span, message))
        return before

    # Nodes

    def _node(self, statement: NodeStatement) -> None:
        name, scope = statement.name, self.scope
        draft = self._draft(name)
        if not draft.declared:
            draft.declared, draft.span = True, name.span
            draft.homes, draft.defaults = [scope], scope.node_defaults
        elif draft.homes[-1] is not scope:
            draft.homes.append(scope)
        if not statement.attributes:
            return
        own = self._take(statement.attributes, "node", Level.OWN)
        if draft.first is None:
            draft.first, draft.own = name.span, own
            draft.defaults = scope.node_defaults
        else:
            self._second_declaration(draft, draft.first, name, own)
            draft.own.update(own)

    def _second_declaration(self, draft: _Draft, first: Span, name: Name, own: Mutable) -> None:
        changed = [key for key, attribute in own.items() if key in draft.own and draft.own[key].text != attribute.text]
        what = f"; {', '.join(changed[:3])} of the first statement no longer holds" if changed else ""
        message = f'node "{name.text}" has attributes in two statements, which are merged{what}; write them in one'
        related = (Related(first, "first declared here"),)
        self.found.add(Diagnostic("duplicate_node", name.span, message, subject=name.text, related=related))

    def _draft(self, name: Name) -> _Draft:
        draft = self.drafts.get(name.text)
        if draft is None:
            draft = self.drafts[name.text] = _Draft(name.span, self.scope)
        return draft

    def _nodes(self) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        classes = {scope: _class_of(scope.attributes.get("label")) for scope in self.subgraphs}
        for order, (node, draft) in enumerate(self.drafts.items()):
            attributes = {**draft.defaults, **draft.own} if draft.defaults else draft.own
            names = self._classes(attributes.get("class"))
            for home in draft.homes:
                for scope in home.enclosing():
                    scope.nodes[node] = None
                    names[classes[scope]] = None
            names.pop("", None)
            nodes[node] = Node(node, order, draft.span, draft.declared, attributes, tuple(names))
        return nodes

    def _classes(self, attribute: Attribute | None) -> dict[str, None]:
        """Return the words of a `class`, and report those that no selector can match."""
        if attribute is None:
            return {}
        names = dict.fromkeys(_CLASS_BREAK.split(attribute.text.strip(" ,\t\r\n")))
        if all(map(_CLASS_NAME.fullmatch, names)) or attribute.value_span.start in self.classes_reported:
            return names
        self.classes_reported.add(attribute.value_span.start)
        for word in split_words(attribute.value):
            if _CLASS_NAME.fullmatch(word.text) is None:
                message = f"no selector can match the class `{word.text}`: classes are small letters, digits and `-`"
                self.found.add(Diagnostic("style_bad_class_name", word.span(), message, Severity.WARNING))
        return names

    # Edges

    def _edges(self, statement: EdgeStatement) -> None:
        own = self._take(statement.attributes, "edge", Level.OWN)
        defaults = self.scope.edge_defaults
        attributes = {**defaults, **own} if defaults else own
        if defaults:
            self.used_edge_defaults[id(defaults)] = defaults
        condition, conditional = self._condition(attributes)
        edges = self.edges
        for name in statement.names:
            self._draft(name)
        for (source, source_span), (target, target_span) in pairwise(statement.names):
            edge = Edge(len(edges), source, target, source_span, target_span, attributes, condition, conditional)
            edges.append(edge)

    def _condition(self, attributes: Attributes) -> tuple[tuple[Clause, ...], bool]:
        attribute = attributes.get("condition")
        if attribute is None or not attribute.text.strip():
            return (), False
        at = attribute.value_span.start
        if at not in self.conditions:
            self.conditions[at], found = parse_condition(attribute.value)
            self.found.extend(found)
        return self.conditions[at], True

    # The whole

    def _unused_defaults(self) -> None:
        """Report default blocks of which nothing holds for any node or edge."""
        node_defaults = {id(draft.defaults): draft.defaults for draft in self.drafts.values() if draft.defaults}
        held = {
            attribute.key_span.start
            for defaults in (*node_defaults.values(), *self.used_edge_defaults.values())
            for attribute in defaults.values()
        }
        for statement in self.default_blocks:
            keys = [assignment.key_span for assignment in statement.attributes]
            if keys and held.isdisjoint(key.start for key in keys):
                message = (
                    f"no {statement.scope} follows for which these defaults could hold; move them up, or drop them"
                )
                span = keys[0].to(statement.attributes[-1].value_span)
                self.found.add(Diagnostic("unused_default", span, message, subject=statement.scope))

    def graph(self, document: Document) -> Graph:
        nodes = self._nodes()
        if self.default_blocks and document.whole:
            self._unused_defaults()
        outgoing: dict[str, list[Edge]] = {node: [] for node in nodes}
        incoming: dict[str, list[Edge]] = {node: [] for node in nodes}
        for edge in self.edges:
            outgoing[edge.source].append(edge)
            incoming[edge.target].append(edge)
        sheet = self.root.attributes.get("model_stylesheet")
        if sheet is not None:
            self.found.extend(parse_stylesheet(sheet.value)[1])
        return Graph(
            source=self.source,
            name=document.name.text,
            name_span=document.name.span,
            attributes=self.root.attributes,
            nodes=nodes,
            edges=self.edges,
            outgoing=outgoing,
            incoming=incoming,
            subgraphs=[_subgraph(scope) for scope in self.subgraphs],
        )


def _subgraph(scope: _Scope) -> Subgraph:
    statement = scope.statement
    assert statement is not None  # noqa: S101 - only subgraphs are listed
    return Subgraph(statement.name, statement.span, scope.attributes, tuple(scope.nodes))


def _class_of(label: Attribute | None) -> str:
    """Return the class that a subgraph's label gives its nodes: `Port Loop (A)` gives `port-loop-a`."""
    if label is None:
        return ""
    return _NOT_IN_CLASS.sub("", label.text.strip().lower().replace(" ", "-"))
