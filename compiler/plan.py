"""What is written: the shape of plan.json, as `schemas/plan.schema.json` has it, in types."""

from collections.abc import Mapping
from typing import Literal, TypedDict

from .run_config import Scalar

PLAN_VERSION = 1
COMPILER_VERSION = "0.1.0"  # pyproject.toml says the same; looking it up would cost more than a compile

Clause = tuple[str, str, str]  # key, operator, literal
ProvenanceEntry = tuple[str, str, int, int, str]  # origin, file, line, column, note


class Restart(TypedDict):
    on: str
    log_dir: str


class Edge(TypedDict):
    to: str
    kind: str
    when: list[Clause]
    label: str
    match: str
    weight: int
    restart: Restart | None
    fidelity: str | None
    thread: str | None
    accelerator: str


class Backoff(TypedDict):
    initial_ms: int
    factor: float
    max_ms: int
    jitter: bool


class Timeouts(TypedDict):
    stage_ms: int
    command_ms: int
    command_default_ms: int
    command_max_ms: int


class Hooks(TypedDict):
    pre: str
    post: str


class Hole(TypedDict):
    at: int
    name: str


class Prompt(TypedDict):
    text: str
    engine: str
    holes: list[Hole]


class Model(TypedDict):
    provider: str
    model: str


class Llm(TypedDict):
    chain: list[Model]
    reasoning_effort: str | None
    max_tokens: int | None
    max_agent_turns: int


class Node(TypedDict):
    """What every node has; `start` and `conditional` have nothing else."""

    id: str
    kind: str
    label: str
    attempts: int
    backoff: Backoff
    timeouts: Timeouts
    max_visits: int
    goal_gate: bool
    allow_partial: bool
    auto_status: bool
    on_fail: list[str]
    catch: str | None
    outcomes: list[str]
    fidelity: str
    thread: str
    hooks: Hooks
    edges: list[Edge]


class Exit(Node):
    exit_status: str


class Tool(Node):
    command: str
    outputs: list[str]


class Codergen(Node):
    mode: str
    prompt: Prompt
    llm: Llm | None  # None only where a rule has already reported that there is no model
    outputs: list[str]


class Human(Node):
    prompt: Prompt
    default_choice: str | None
    timeout_ms: int


class Parallel(Node):
    join: str
    join_policy: str
    error_policy: str
    max_parallel: int
    k: int
    quorum_fraction: float


class FanIn(Node):
    merge: str
    prompt: Prompt | None
    llm: Llm | None


class Manager(Node):
    child: "Plan | None"  # None only where a rule has already reported that there is no child
    autostart: bool
    poll_interval_ms: int
    max_cycles: int
    stop_condition: list[Clause]
    actions: list[str]
    workdir: str
    prompt: Prompt
    llm: Llm | None


AnyNode = Node | Exit | Tool | Codergen | Human | Parallel | FanIn | Manager


class SourceFile(TypedDict):
    path: str
    sha256: str


class Workspace(TypedDict):
    repo: str
    mode: str
    branch_prefix: str
    commit_per_node: bool
    require_clean: bool
    checkpoint_exclude: list[str]
    push_remote: str


class Setup(TypedDict):
    commands: list[str]
    timeout_ms: int


class Limits(TypedDict):
    max_llm_calls: int | None
    max_total_tokens: int | None
    max_cost_usd: float | None
    max_wall_ms: int | None
    max_restarts: int
    signature_limit: int


class LlmBackoff(TypedDict):
    base_ms: int
    max_ms: int
    factor: float
    jitter: bool


class Policy(TypedDict):
    stall_timeout_ms: int
    stall_check_interval_ms: int
    max_llm_retries: int
    llm_backoff: LlmBackoff
    malformed_tool_call_limit: int
    persist_keys: list[str]


Environment = TypedDict("Environment", {"pass": list[str]})


class People(TypedDict):
    mode: str


class Api(TypedDict):
    protocol: str
    base_url: str
    path: str
    api_key_env: str
    headers: dict[str, str]
    profile_family: str
    max_tokens_floor: int
    force_stream: bool
    flags: dict[str, Scalar]
    model_flags: dict[str, dict[str, Scalar]]


class Price(TypedDict):
    input: float
    output: float
    cache_read: float | None
    cache_write: float | None


class Provider(TypedDict):
    backend: str
    api: Api | None
    executable: str
    script: Mapping[str, object] | None
    prices: dict[str, Price]
    contexts: dict[str, int]
    failover: Literal["implicit", "none", "listed"]


class Probe(TypedDict):
    provider: str
    model: str
    mode: str
    transport: str
    reasoning_effort: str | None
    required: bool


class Preflight(TypedDict):
    env: list[str]
    executables: list[str]
    probes: list[Probe]
    timeout_ms: int
    retries: int
    base_delay_ms: int
    max_delay_ms: int


Provenance = dict[str, dict[str, ProvenanceEntry]]  # subject -> field -> where its value came from


class Plan(TypedDict):
    """In the order in which a reader wants it; the digest is taken over sorted keys."""

    plan_version: int
    digest: str
    compiler: str
    name: str
    label: str
    goal: str
    inputs: dict[str, Scalar]
    sources: list[SourceFile]
    start: str
    exits: list[str]
    workspace: Workspace
    setup: Setup
    limits: Limits
    policy: Policy
    env: Environment
    human: People
    providers: dict[str, Provider]
    preflight: Preflight
    context: dict[str, Scalar]
    nodes: list[AnyNode]
    provenance: Provenance
