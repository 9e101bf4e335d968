"""What a plan says: frozen values, one column of words per JSON object of `schemas/plan.schema.json`.

Nothing here decides or defaults: `read_plan.py` makes these values from a file that the schema accepted.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from .outcome import Json

Scalar = str | int | float | bool | None


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


PASSIVE_KINDS = frozenset({Kind.START, Kind.EXIT, Kind.CONDITIONAL})  # do no work, and so cannot fail by themselves


class EdgeKind(StrEnum):
    IF = "if"
    ELSE = "else"
    ALWAYS = "always"
    BRANCH = "branch"
    THEN = "then"


class Clause(NamedTuple):
    """`key op literal`; op is "=", "!=" or "set". A missing key is the empty string."""

    key: str
    op: str
    literal: str


class Restart(NamedTuple):
    on: str  # any | transient_infra
    log_dir: str  # restart N writes to `<log_dir>-N`


class Edge(NamedTuple):
    to: str
    kind: EdgeKind
    when: tuple[Clause, ...]
    label: str
    match: str  # the label as it is compared
    weight: int
    restart: Restart | None
    fidelity: str | None
    thread: str | None
    accelerator: str


class Backoff(NamedTuple):
    initial_ms: int
    factor: float
    max_ms: int
    jitter: bool


class Timeouts(NamedTuple):
    """All in milliseconds; 0 = none."""

    stage_ms: int
    command_ms: int
    command_default_ms: int
    command_max_ms: int


class Hooks(NamedTuple):
    """Shell commands around each tool call; empty = none."""

    pre: str
    post: str


class Hole(NamedTuple):
    at: int  # offset into the text, in code points
    name: str  # base_sha


class Prompt(NamedTuple):
    text: str
    engine: str  # plain | jinja
    holes: tuple[Hole, ...]


class Model(NamedTuple):
    provider: str
    model: str


class Llm(NamedTuple):
    chain: tuple[Model, ...]  # whom to ask, then the failover targets; nobody else, ever
    reasoning_effort: str | None
    max_tokens: int | None
    max_agent_turns: int


class ExitWork(NamedTuple):
    exit_status: str  # success | fail


class ToolWork(NamedTuple):
    command: str
    outputs: tuple[str, ...]


class CodergenWork(NamedTuple):
    mode: str  # agent_loop | one_shot
    prompt: Prompt
    llm: Llm
    outputs: tuple[str, ...]


class HumanWork(NamedTuple):
    prompt: Prompt
    default_choice: str | None
    timeout_ms: int


class ParallelWork(NamedTuple):
    join: str
    join_policy: str  # wait_all | first_success | k_of_n | quorum
    error_policy: str  # continue | fail_fast | ignore
    max_parallel: int
    k: int
    quorum_fraction: float


class FanInWork(NamedTuple):
    merge: str  # best | all
    prompt: Prompt | None
    llm: Llm | None


class ManagerWork(NamedTuple):
    child: Mapping[str, Json]  # a nested plan, as read
    autostart: bool
    poll_interval_ms: int
    max_cycles: int
    stop_condition: tuple[Clause, ...]
    actions: tuple[str, ...]
    workdir: str
    prompt: Prompt
    llm: Llm | None


Work = ExitWork | ToolWork | CodergenWork | HumanWork | ParallelWork | FanInWork | ManagerWork


class Node(NamedTuple):
    """What every kind has, and `work`: what only its kind has (None for start and conditional)."""

    id: str
    kind: Kind
    label: str
    attempts: int
    backoff: Backoff
    timeouts: Timeouts
    max_visits: int  # 0 = unlimited
    goal_gate: bool
    allow_partial: bool
    auto_status: bool
    on_fail: tuple[str, ...]
    catch: str | None
    outcomes: tuple[str, ...]
    fidelity: str
    thread: str
    hooks: Hooks
    edges: tuple[Edge, ...]  # in the order in which they are tried
    work: Work | None


class SourceFile(NamedTuple):
    path: str  # relative to run.yaml's folder
    sha256: str


class WorkspaceSettings(NamedTuple):
    repo: str
    mode: str  # auto | worktree | directory
    branch_prefix: str
    commit_per_node: bool
    require_clean: bool
    checkpoint_exclude: tuple[str, ...]
    push_remote: str


class Setup(NamedTuple):
    commands: tuple[str, ...]
    timeout_ms: int


class Limits(NamedTuple):
    """None = unlimited."""

    max_llm_calls: int | None
    max_total_tokens: int | None
    max_cost_usd: float | None
    max_wall_ms: int | None
    max_restarts: int
    signature_limit: int


class LlmBackoff(NamedTuple):
    base_ms: int
    max_ms: int
    factor: float
    jitter: bool


class Policy(NamedTuple):
    stall_timeout_ms: int  # 0 = no watchdog
    stall_check_interval_ms: int
    max_llm_retries: int
    llm_backoff: LlmBackoff
    malformed_tool_call_limit: int
    persist_keys: tuple[str, ...]


class Api(NamedTuple):
    protocol: str
    base_url: str
    path: str
    api_key_env: str  # the name of the variable; empty = no key
    headers: Mapping[str, str]
    profile_family: str  # openai | anthropic | google
    max_tokens_floor: int
    force_stream: bool
    flags: Mapping[str, Scalar]  # all of the protocol's
    model_flags: Mapping[str, Mapping[str, Scalar]]  # by model, over `flags`


class Price(NamedTuple):
    """USD per million tokens."""

    input: float
    output: float
    cache_read: float | None
    cache_write: float | None


class Provider(NamedTuple):
    backend: str  # api | cli | scripted
    api: Api | None
    executable: str
    script: Mapping[str, Json] | None  # a scenario, as read
    prices: Mapping[str, Price]
    contexts: Mapping[str, int]  # tokens that a model takes, where that is known
    failover: str  # implicit | none | listed


class Probe(NamedTuple):
    provider: str
    model: str
    mode: str
    transport: str
    reasoning_effort: str | None
    required: bool


class Preflight(NamedTuple):
    env: tuple[str, ...]
    executables: tuple[str, ...]
    probes: tuple[Probe, ...]
    timeout_ms: int
    retries: int
    base_delay_ms: int
    max_delay_ms: int


class Plan(NamedTuple):
    digest: str
    compiler: str
    name: str
    label: str
    goal: str
    inputs: Mapping[str, Scalar]
    sources: tuple[SourceFile, ...]
    start: str
    exits: tuple[str, ...]
    workspace: WorkspaceSettings
    setup: Setup
    limits: Limits
    policy: Policy
    env_pass: tuple[str, ...]
    human_mode: str  # console | auto_approve | file | fail
    providers: Mapping[str, Provider]
    preflight: Preflight
    context: Mapping[str, Scalar]  # what the context starts with
    nodes: Mapping[str, Node]  # in order of first mention in the graph
