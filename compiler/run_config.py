"""run.yaml as frozen values: everything defaulted, aliases canonical, each value with its origin at hand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .graph import Origin
from .source import Source, Span

Scalar = str | int | float | bool | None


class FailoverTarget(NamedTuple):
    """One entry of a `failover` list. `model` None: the target's default."""

    provider: str  # canonical
    written: str
    model: str | None
    span: Span


class Api(NamedTuple):
    protocol: str  # anthropic_messages | openai_responses | openai_chat_completions | google_generate_content
    base_url: str
    path: str
    api_key_env: str  # "" = no key
    headers: Mapping[str, str]
    profile_family: str  # openai | anthropic | google
    max_tokens_floor: int
    force_stream: bool
    flags: Mapping[str, Scalar]  # all of the protocol's: what differs between its vendors, from the catalogue


class Price(NamedTuple):
    """USD per million tokens."""

    input: float
    output: float
    cache_read: float | None
    cache_write: float | None


class Provider(NamedTuple):
    """A declared provider, completed from the catalogue."""

    key: str  # canonical
    written: str  # as in run.yaml
    span: Span  # of the key in run.yaml
    backend: str  # api | cli | scripted
    failover: Sequence[FailoverTarget] | None  # None: omitted or null; (): explicitly none
    default_model: str | None  # run.yaml's, else the catalogue's
    models: Sequence[str] | None  # allow-list
    api: Api | None  # for backend api
    executable: str  # for backend cli
    script: str | None  # for backend scripted: a path relative to run.yaml
    prices: Mapping[str, Price]  # run.yaml's over the catalogue's


class Workspace(NamedTuple):
    repo: str
    mode: str  # auto | worktree | directory
    branch_prefix: str
    commit_per_node: bool
    require_clean: bool
    checkpoint_exclude: Sequence[str]
    push_remote: str


class LlmBackoff(NamedTuple):
    base_ms: int
    max_ms: int
    factor: float
    jitter: bool


class RuntimePolicy(NamedTuple):
    stage_timeout_ms: int
    stall_timeout_ms: int
    stall_check_interval_ms: int
    max_llm_retries: int
    llm_backoff: LlmBackoff
    max_agent_turns: int
    malformed_tool_call_limit: int
    default_command_timeout_ms: int
    max_command_timeout_ms: int


class Limits(NamedTuple):
    """None = unlimited."""

    max_llm_calls: int | None
    max_total_tokens: int | None
    max_cost_usd: float | None
    max_wall_ms: int | None


class PromptProbes(NamedTuple):
    enabled: bool
    transports: Sequence[str]
    transports_named: bool  # run.yaml names them, so that a failing stream probe is a failure
    timeout_ms: int
    retries: int
    base_delay_ms: int
    max_delay_ms: int


class RunConfig(NamedTuple):
    source: Source
    spans: Mapping[str, tuple[Span, Span]]  # JSON pointer -> (key span, value span), as written in run.yaml
    overrides: Mapping[str, str]  # JSON pointer -> the `--set` argument that put it there
    graph: str | None  # path of the .dot file relative to run.yaml
    goal: str | None
    inputs: Mapping[str, Scalar]
    workspace: Workspace
    setup_commands: Sequence[str]
    setup_timeout_ms: int
    default_provider: str | None  # llm.defaults.provider, canonical
    default_model: str | None  # llm.defaults.model
    providers: Mapping[str, Provider]  # by canonical key, in the order of run.yaml
    policy: RuntimePolicy
    limits: Limits
    probes: PromptProbes
    human_mode: str  # console | auto_approve | file | fail
    env_pass: Sequence[str]
    whole: bool = True  # False: syntax errors hide parts of run.yaml, so that nothing can be said to be missing

    def origin(self, pointer: str) -> Origin:
        """Return where the value at JSON `pointer` came from: the command line, run.yaml, or the built-in default."""
        if pointer in self.overrides:
            return Origin("command line", None, f"--set {self.overrides[pointer]}")
        spans = self.spans.get(pointer)
        if spans is None:
            return Origin("built-in")
        return Origin("run.yaml", spans[0], pointer.strip("/").replace("/", "."))

    def key_span(self, pointer: str) -> Span:
        """Return the span of the key at `pointer`, else of the nearest written parent, else the start of the file."""
        while pointer:
            spans = self.spans.get(pointer)
            if spans is not None:
                return spans[0]
            pointer = pointer.rpartition("/")[0]
        return self.source.span(0, 0)

    def value_span(self, pointer: str) -> Span:
        """Like `key_span`, for the value."""
        spans = self.spans.get(pointer)
        return spans[1] if spans is not None else self.key_span(pointer)
