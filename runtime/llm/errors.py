"""What can go wrong with a call, as one hierarchy; whether to retry or fail over is a property of the class.

| class | retry | failover |
|---|---|---|
| Network, ServerError, Overloaded, RateLimit, Timeout, StreamTruncated, MalformedStream | yes | yes |
| LastingServerError, QuotaExceeded, ModelNotFound, AccessDenied | no | yes |
| Authentication, InvalidRequest, ContextLength, ContentFilter, Configuration | no | no |
| LimitReached, Canceled | no | never |
"""

from typing import ClassVar

from ..outcome import FailureClass, Outcome


class LlmError(Exception):
    """Base of all. `message` never holds a key, a header or a query string.

    Attributes:
        provider, model: who was asked; "" before that is known.
        status: the HTTP status, 0 when there was none.
        code: the provider's own word for it.
        retry_after_s: how long the provider asks to wait; None when it does not say.
        request_id: for the provider's support.
    """

    retryable: ClassVar[bool] = False
    failover_ok: ClassVar[bool] = False
    failure_class: ClassVar[FailureClass] = FailureClass.DETERMINISTIC
    kind: ClassVar[str] = "llm_error"

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        status: int = 0,
        code: str = "",
        retry_after_s: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class TransientError(LlmError):
    """Worth another try, then the next entry of the chain."""

    retryable = True
    failover_ok = True
    failure_class = FailureClass.TRANSIENT_INFRA


class Network(TransientError):
    kind = "network"


class ServerError(TransientError):
    kind = "server_error"


class LastingServerError(ServerError):
    """A server error of which the provider says that another try is no use."""

    retryable = False


class Overloaded(ServerError):
    kind = "overloaded"


class RateLimit(TransientError):
    kind = "rate_limit"


class Timeout(TransientError):
    """`phase` says which limit: connect, first_byte, idle, progress or total; or server, for a status that says so."""

    kind = "timeout"

    def __init__(self, message: str, *, phase: str, **fields: object) -> None:
        super().__init__(message, **fields)  # type: ignore[arg-type]
        self.phase = phase


class StreamTruncated(TransientError):
    """The stream ended without its terminal event: nothing of it counts."""

    kind = "stream_truncated"


class MalformedStream(TransientError):
    """What came is not the protocol: broken JSON in a record, not UTF-8, not an event stream."""

    kind = "malformed_stream"


class QuotaExceeded(LlmError):
    failover_ok = True
    kind = "quota_exceeded"


class ModelNotFound(LlmError):
    failover_ok = True
    kind = "model_not_found"


class AccessDenied(LlmError):
    failover_ok = True
    kind = "access_denied"


class Authentication(LlmError):
    kind = "authentication"


class InvalidRequest(LlmError):
    kind = "invalid_request"


class ContextLength(LlmError):
    failure_class = FailureClass.BUDGET_EXHAUSTED
    kind = "context_length"


class ContentFilter(LlmError):
    kind = "content_filter"


class Configuration(LlmError):
    kind = "configuration"


class LimitReached(LlmError):
    """A turn, call, token, cost or malformed-call limit of the plan; never a reason to ask somebody else."""

    failure_class = FailureClass.BUDGET_EXHAUSTED
    kind = "limit_reached"


class Canceled(LlmError):
    failure_class = FailureClass.CANCELED
    kind = "canceled"


def outcome_of(error: LlmError) -> Outcome:
    """Return the failure that a call's error is; what differs from time to time is not part of its signature."""
    signature = " ".join(part for part in (error.kind, error.provider, error.model, error.code) if part)
    return Outcome.failed(error.message, error.failure_class, failure_signature=signature)
