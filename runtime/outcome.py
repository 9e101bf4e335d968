"""How a stage ended: `Status`, `FailureClass`, `Outcome`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class Status(StrEnum):
    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    RETRY = "retry"
    FAIL = "fail"
    SKIPPED = "skipped"
    CUSTOM = "custom"  # a word of the pipeline's own; `Outcome.word` says which


class FailureClass(StrEnum):
    TRANSIENT_INFRA = "transient_infra"
    DETERMINISTIC = "deterministic"
    CANCELED = "canceled"
    BUDGET_EXHAUSTED = "budget_exhausted"
    STRUCTURAL = "structural"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was asked of models. `cost_usd` None: unknown, because a model has no price."""

    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            llm_calls=self.llm_calls + other.llm_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost_usd=None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd,
        )

    def beyond(self, other: "Usage") -> "Usage":
        """Return what this has more than `other`, which is a part of it; what is not known in both stays unknown."""
        unknown = self.cost_usd is None or other.cost_usd is None
        return Usage(
            llm_calls=max(0, self.llm_calls - other.llm_calls),
            input_tokens=max(0, self.input_tokens - other.input_tokens),
            output_tokens=max(0, self.output_tokens - other.output_tokens),
            cache_read_tokens=max(0, self.cache_read_tokens - other.cache_read_tokens),
            cache_write_tokens=max(0, self.cache_write_tokens - other.cache_write_tokens),
            cost_usd=None if unknown else max(0.0, round(self.cost_usd - other.cost_usd, 12)),  # type: ignore[operator]
        )


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a stage or of one attempt.

    `word` is what conditions compare `outcome` with: the status, or the custom word. The three failure fields are
    empty unless status is fail or retry.
    """

    status: Status
    word: str
    preferred_label: str = ""
    suggested_next_ids: Sequence[str] = ()
    context_updates: Mapping[str, Json] = field(default_factory=dict)
    notes: str = ""
    failure_reason: str = ""
    failure_class: FailureClass | None = None
    failure_signature: str = ""
    usage: Usage = NO_USAGE

    def passed_on(self) -> "Outcome":
        """Return what a conditional node hands on: the same result, but neither its cost nor its context updates."""
        return replace(self, context_updates={}, usage=NO_USAGE)

    @staticmethod
    def success(**fields: object) -> "Outcome":
        return Outcome(status=Status.SUCCESS, word="success", **fields)  # type: ignore[arg-type]

    @staticmethod
    def failed(reason: str, failure_class: FailureClass, **fields: object) -> "Outcome":
        return Outcome(
            status=Status.FAIL,
            word="fail",
            failure_reason=reason,
            failure_class=failure_class,
            **fields,  # type: ignore[arg-type]
        )


class Dossier(NamedTuple):
    """What a stage that follows a failure is told about it, so that a repair does not start blind."""

    node: str
    visit: int
    attempts: int
    failure_class: str
    reason: str
    output_tail: str
