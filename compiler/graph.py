"""What a pipeline means: nodes, edges and, column by column, what the passes resolved.

`graph_builder` makes a `Graph` from the syntax tree; passes return it with one more column set. Columns are mappings
from node id, so that a pass costs one `replace`, whatever the size of the graph. A column that its
pass has not filled yet is empty.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from .source import MappedText, Source, Span

T = TypeVar("T")

NOTHING: Mapping[str, Any] = MappingProxyType({})  # a column that its pass has not filled yet


class Kind(StrEnum):
    START = "start"
    EXIT = "exit"
    CODERGEN = "codergen"
    HUMAN = "wait.human"
    CONDITIONAL = "conditional"
    PARALLEL = "parallel"
    FAN_IN = "parallel.fan_in"
    TOOL = "tool"
    MANAGER = "stack.manager_loop"


class Level(StrEnum):
    """Where an attribute was written; the order of precedence is the passes' business."""

    OWN = "own"  # on the node, edge or graph itself
    DEFAULT = "default"  # by a `node [..]` or `edge [..]` default in scope
    STYLESHEET = "stylesheet"


class Attribute(NamedTuple):
    """One attribute as it holds for its node, edge or graph."""

    key: str  # canonical: aliases are resolved by the builder
    value: MappedText
    key_span: Span  # covers the key as written
    value_span: Span  # covers the value with its quotes
    quoted: bool
    level: Level

    @property
    def text(self) -> str:
        return self.value.text

    @property
    def written_key(self) -> str:
        return self.key_span.text


Attributes = Mapping[str, Attribute]


class Clause(NamedTuple):
    """`key op literal`; op is "=", "!=" or "set" (a bare key: true when non-empty and not "false")."""

    key: str  # canonical: "outcome", "preferred_label" or "context.PATH"
    op: str
    literal: str  # outcome words canonical ("ok" -> "success"); "" for "set"
    span: Span
    key_span: Span
    literal_span: Span  # the key's for "set"


class Edge(NamedTuple):
    """One arrow; a chain `a -> b -> c` gives two that share their attributes."""

    order: int  # of declaration, from 0
    source: str
    target: str
    source_span: Span
    target_span: Span
    attributes: Attributes
    condition: tuple[Clause, ...]  # () when unconditional, or when the condition could not be parsed
    conditional: bool  # has a non-empty `condition` attribute, parsed or not

    @property
    def span(self) -> Span:
        return self.source_span.to(self.target_span)

    @property
    def name(self) -> str:
        return f"{self.source} -> {self.target}"


class Node(NamedTuple):
    id: str
    order: int  # of first mention, from 0
    span: Span  # the id in its first node statement, else where an edge first mentions it
    declared: bool  # by a node statement of its own
    attributes: Attributes
    classes: tuple[str, ...]  # from `class` and from the labels of subgraphs, in that order


class Origin(NamedTuple):
    """Where an effective value came from; `explain` shows it, the plan's provenance holds it."""

    source: str  # node, node default, edge, graph, stylesheet, run.yaml, command line, catalogue, built-in, derived
    span: Span | None = None
    note: str = ""


class Sourced(NamedTuple, Generic[T]):
    value: T
    origin: Origin


class Model(NamedTuple):
    """One entry of a failover chain."""

    provider: str
    model: str


class LlmSettings(NamedTuple):
    """What a node asks a model with. Empty provider or model: could not be resolved (a rule reports it)."""

    provider: Sourced[str]
    model: Sourced[str]
    chain: tuple[Model, ...]
    chain_origin: Origin
    reasoning_effort: Sourced[str | None]
    max_tokens: Sourced[int | None]
    mode: Sourced[str]  # agent_loop | one_shot
    max_agent_turns: Sourced[int]


class Timeouts(NamedTuple):
    """All in milliseconds; 0 = none."""

    stage_ms: Sourced[int]
    command_ms: Sourced[int]  # bounds a tool node's command; 0 for other kinds
    command_default_ms: Sourced[int]
    command_max_ms: Sourced[int]


class Backoff(NamedTuple):
    initial_ms: int
    factor: float
    max_ms: int
    jitter: bool


class Retries(NamedTuple):
    attempts: Sourced[int]  # max_retries + 1
    backoff: Backoff
    backoff_origins: Mapping[str, Origin]
    allow_partial: Sourced[bool]


class Restart(NamedTuple):
    on: str  # "any" | "transient_infra"


class Route(NamedTuple):
    """An edge in the order in which the runtime tries it."""

    edge: Edge
    kind: str  # if | else | always | branch | then
    weight: int
    label: str  # as written
    match: str  # the label normalised: lowercased, trimmed, without accelerator prefix
    restart: Restart | None
    accelerator: str = ""  # key that chooses this option at a human gate; empty elsewhere
    fidelity: str | None = None  # of the target when it is entered here; None: the target's own
    thread: str | None = None


class Memory(NamedTuple):
    """How much a stage sees of what went before, unless the edge that enters it says otherwise."""

    fidelity: Sourced[str]
    thread: Sourced[str]  # "": the node's own


class Bounds(NamedTuple):
    """What ends a run that goes in circles."""

    max_restarts: Sourced[int]
    signature_limit: Sourced[int]
    persist_keys: Sourced[tuple[str, ...]]  # context keys that survive a restart
    max_visits: Mapping[str, Sourced[int]]  # per node; 0 = unlimited


class Probe(NamedTuple):
    """One request that preflight makes before anything is spent."""

    provider: str
    model: str
    mode: str  # agent_loop | one_shot
    transport: str  # complete | stream
    reasoning_effort: str | None
    required: bool


class Preflight(NamedTuple):
    probes: tuple[Probe, ...]
    env: tuple[str, ...]  # variables that must be set, sorted
    executables: tuple[str, ...]  # programs that must be on PATH, sorted


class Graph(NamedTuple):
    source: Source
    name: str
    name_span: Span
    attributes: Attributes  # the graph's own
    nodes: Mapping[str, Node]  # in order of first mention
    edges: Sequence[Edge]  # in order of declaration
    outgoing: Mapping[str, Sequence[Edge]]  # every node has an entry
    incoming: Mapping[str, Sequence[Edge]]
    subgraphs: Sequence["Subgraph"] = ()
    files: Mapping[str, Source] = NOTHING  # `prompt_file` as written -> its text, read beforehand

    # Columns, each set by the pass of its name.
    kinds: Mapping[str, Sourced[Kind]] = NOTHING  # resolve_kinds
    styled: Mapping[str, Attributes] = NOTHING  # apply_stylesheet: winning declarations per node
    prompts: Mapping[str, "Prompt"] = NOTHING  # expand_prompts
    llm: Mapping[str, LlmSettings] = NOTHING  # resolve_models, then resolve_failover
    timeouts: Mapping[str, Timeouts] = NOTHING  # resolve_timeouts
    retries: Mapping[str, Retries] = NOTHING  # resolve_retries
    routes: Mapping[str, Sequence[Route]] = NOTHING  # resolve_routes (restarts included)
    on_fail: Mapping[str, Sequence[str]] = NOTHING  # resolve_retry_targets
    catches: Mapping[str, str] = NOTHING  # resolve_catches: stage -> conditional; absent: none
    outcomes: Mapping[str, Sequence[str]] = NOTHING  # resolve_outcomes: words a stage may end with
    joins: Mapping[str, str] = NOTHING  # resolve_regions: component -> its tripleoctagon
    memories: Mapping[str, Memory] = NOTHING  # resolve_fidelity
    bounds: Bounds | None = None  # resolve_restarts
    preflight: Preflight | None = None  # plan_probes


class Subgraph(NamedTuple):
    name: str
    span: Span
    attributes: Attributes
    nodes: tuple[str, ...]


class Hole(NamedTuple):
    """A place in a prompt that only the run can fill."""

    at: int  # offset into the text, in code points
    name: str  # "base_sha"


class Prompt(NamedTuple):
    """What a stage is asked, as far as the compiler can know it."""

    text: str  # `$goal` and inputs expanded (plain), or the template (jinja)
    engine: str  # plain | jinja
    holes: tuple[Hole, ...]
    written: MappedText  # as the author wrote it, for positions
    origin: Origin
