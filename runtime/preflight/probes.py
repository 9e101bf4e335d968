"""Probes: a small real request on the real transport for each model, mode and transport of the plan.

An agent's probe carries the tools of its profile, so that a provider which refuses one of them is found out here.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Final
from urllib.parse import urlsplit

from ..agent.profiles import definitions, tools_of
from ..llm.cost import usage_of
from ..llm.errors import (
    AccessDenied,
    Authentication,
    Canceled,
    Configuration,
    InvalidRequest,
    LlmError,
    ModelNotFound,
    Network,
    QuotaExceeded,
    Timeout,
    TransientError,
)
from ..llm.exchange import Ports, exchange
from ..llm.failover import endpoints
from ..llm.keys import Keys
from ..llm.messages import Finish, Request, Response, user
from ..llm.transport import Limits, Transport
from ..llm.wire import Endpoint
from ..outcome import NO_USAGE, Status, Usage
from ..plan import Model, Plan, Probe
from ..steps import report_outcome
from .findings import Check, Doors, Verdict

AT_ONCE: Final = 8
MOST_TOKENS: Final = 16
MOST_TOKENS_REASONING: Final = 4_096  # below, some vendors refuse to reason at all
SHOWN_CHARS: Final = 64
SYSTEM: Final = "This is a check before a pipeline runs: it shows that requests of this form are answered."
ASK: Final = "Answer with the word OK. Call no tool."
WORDS: Final = tuple(word for word in Status if word is not Status.CUSTOM)
ADVICE: Final[tuple[tuple[type[LlmError], str], ...]] = (
    (QuotaExceeded, "top the account up, or raise its limit at the provider"),
    (ModelNotFound, "check the model's name in run.yaml and in the graph"),
    (AccessDenied, "ask the provider for access to the model, or name another one"),
    (Network, "check base_url, and that this machine reaches it, through its proxy if it has one"),
    (Timeout, "try again later, or raise preflight.prompt_probes.timeout_ms"),
    (TransientError, "the provider has trouble of its own: begin the run later"),
    (InvalidRequest, "check protocol, path, model and reasoning_effort: the provider does not take such requests"),
    (Configuration, "check base_url, path and the key"),
)


def run(plan: Plan, skipped: Mapping[str, str], doors: Doors) -> list[Check]:
    """Make all probes of the plan, some at once, and return their checks in the plan's order.

    Args:
        skipped: providers that cannot be asked, and why.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    probes = plan.preflight.probes
    for index in range(len(probes)):
        waiting.put(index)
    found: dict[int, Check] = {}
    broken: list[BaseException] = []

    def work() -> None:
        try:
            for index in _taken(waiting):
                found[index] = _check(plan, probes[index], skipped, doors)
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=work, name=f"attractor-probe-{n}") for n in range(min(AT_ONCE, len(probes)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return [found[index] for index in range(len(probes))]


def _taken(waiting: "SimpleQueue[int]") -> Iterator[int]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


def _check(plan: Plan, probe: Probe, skipped: Mapping[str, str], doors: Doors) -> Check:
    endpoint = endpoints([Model(probe.provider, probe.model)], plan.providers)[0]
    check = Check(
        name="probe",
        subject=f"{probe.provider} {probe.model}",
        status=Verdict.SKIP,
        message=skipped.get(probe.provider, ""),
        provider=probe.provider,
        model=probe.model,
        mode=probe.mode,
        transport=probe.transport,
        effort=probe.reasoning_effort or "",
        host=host_of(endpoint),
    )
    if check.message:
        return check
    started_s = doors.clock.now_s()
    check = _tried(plan, probe, endpoint, check, doors)
    return check._replace(duration_ms=round((doors.clock.now_s() - started_s) * 1000))


def _tried(plan: Plan, probe: Probe, endpoint: Endpoint, check: Check, doors: Doors) -> Check:
    """Ask, and again while that may help; return what came of it."""
    settings, transport, stop = plan.preflight, Transport(), doors.stop
    price = plan.providers[probe.provider].prices.get(probe.model)
    seconds = settings.timeout_ms / 1000
    limits = Limits(connect_s=min(10.0, seconds), first_byte_s=seconds, idle_s=seconds, total_s=seconds)
    ports = Ports(transport, Keys(doors.environment), limits, stop)
    usage, attempt = NO_USAGE, 0
    try:
        while True:
            attempt += 1
            try:
                response = _asked(ports, probe, endpoint)
            except Canceled:
                return check._replace(message=f"not finished: {stop.reason}", attempts=attempt, usage=usage)
            except LlmError as error:
                usage += Usage(llm_calls=1)
                delay_ms = min(settings.base_delay_ms * 2 ** (attempt - 1), settings.max_delay_ms)
                if not error.retryable or attempt > settings.retries:
                    return _failed(check, probe, endpoint, error)._replace(attempts=attempt, usage=usage)
                if stop.wait(delay_ms / 1000):
                    return check._replace(message=f"not finished: {stop.reason}", attempts=attempt, usage=usage)
            else:
                usage += usage_of(response.usage, price)
                return _answered(check, response)._replace(attempts=attempt, usage=usage)
    finally:
        transport.close()


def _asked(ports: Ports, probe: Probe, endpoint: Endpoint) -> Response:
    return exchange(
        ports,
        request_of(probe, endpoint.api.profile_family),
        endpoint,
        stream=probe.transport == "stream",
        on_sent=lambda _post: None,
        on_event=lambda _event: None,
    )


def request_of(probe: Probe, family: str) -> Request:
    """Return a request of the form that the plan's stages will send."""
    reports = report_outcome.definition(WORDS)
    agent = probe.mode == "agent_loop"
    return Request(
        system=SYSTEM if agent else "",
        messages=(user(ASK),),
        tools=(*definitions(tools_of(family)), reports) if agent else (reports,),
        max_tokens=MOST_TOKENS if probe.reasoning_effort in (None, "none") else MOST_TOKENS_REASONING,
        reasoning_effort=probe.reasoning_effort,
    )


def _answered(check: Check, response: Response) -> Check:
    said = " ".join(response.text.split())
    if said or response.calls:
        told = f"answered {said[:SHOWN_CHARS]!r}" if said else f"answered with a call of {response.calls[0].name}"
        return check._replace(status=Verdict.PASS, message=told)
    told = f"answered without a word (finish reason: {response.finish})"
    return check._replace(status=Verdict.PASS if response.finish is Finish.LENGTH else Verdict.WARN, message=told)


def _failed(check: Check, probe: Probe, endpoint: Endpoint, error: LlmError) -> Check:
    verdict = Verdict.FAIL if probe.required else Verdict.WARN
    status = f"HTTP {error.status} from {check.host}" if error.status else f"no answer from {check.host}"
    said = error.message.removeprefix(f"{probe.provider} answered {error.status}: ").rstrip(".")
    message = f"{status}: {said}; {advice(error, endpoint)}"
    if not probe.required:
        message += "; only a warning, because run.yaml names no transports: name them to make it a failure"
    return check._replace(status=verdict, message=message, http_status=error.status)


def advice(error: LlmError, endpoint: Endpoint) -> str:
    """Say what to do about an error."""
    if isinstance(error, Authentication):
        variable = endpoint.api.api_key_env
        return f"check the key in {variable}" if variable else "the provider asks for a key: name its api_key_env"
    return next((text for kind, text in ADVICE if isinstance(error, kind)), "look the message up at the provider")


def host_of(endpoint: Endpoint) -> str:
    """Return host and port of the address, without what may be secret in it."""
    return urlsplit(endpoint.api.base_url).netloc.rpartition("@")[2]


def reasons_to_skip(checks: Sequence[Check]) -> dict[str, str]:
    """Return the providers that cannot be asked, and why."""
    return {
        check.provider: f"not asked: {check.subject} is missing"
        for check in checks
        if check.name == "key" and check.status is Verdict.FAIL
    }
