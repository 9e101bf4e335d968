"""When a parallel region is decided, how it ended, and which of its branches is the best: pure, over their results.

A result is what `parallel.results` holds of a branch. Its `outcome` is a word: `fail` when the branch failed,
`canceled` when it was not needed any more, else that of its last stage.
"""

import math
from collections.abc import Mapping, Sequence

from .outcome import FailureClass, Json, Outcome, Status, Usage
from .plan import ParallelWork

CANCELED = "canceled"
REASON_CHARS = 200  # of a branch's reason in the reason of the whole
RANK: Mapping[str, int] = {Status.SUCCESS: 0, Status.PARTIAL_SUCCESS: 1, Status.RETRY: 2}

Result = Mapping[str, Json]


def succeeded(result: Result) -> bool:
    return not failed(result) and not canceled(result)


def failed(result: Result) -> bool:
    return result["outcome"] == Status.FAIL


def canceled(result: Result) -> bool:
    return result["outcome"] == CANCELED and result["failure_class"] == FailureClass.CANCELED


def ranked(results: Sequence[Result]) -> list[Result]:
    """Return the branches that may win, the best first: success, partial_success, retry, others; then their order."""
    return sorted((each for each in results if succeeded(each)), key=lambda each: RANK.get(str(each["outcome"]), 3))


def needed(work: ParallelWork, branches: int) -> int:
    """Return how many branches have to succeed."""
    match work.join_policy:
        case "k_of_n":
            return work.k
        case "quorum":
            return max(1, math.ceil(round(work.quorum_fraction * branches, 6)))
        case _:  # wait_all takes what there is; first_success needs the first
            return 1


def decided(work: ParallelWork, branches: int, results: Sequence[Result]) -> str:
    """Return why the branches that have not ended are not needed any more; "" while they are."""
    losers = [each for each in results if failed(each)]
    if losers and work.error_policy == "fail_fast":
        return f"{losers[0]['id']!r} failed, and error_policy=fail_fast"
    if work.join_policy == "wait_all":
        return ""
    enough, winners = needed(work, branches), sum(map(succeeded, results))
    if winners >= enough:
        return f"{_branches(winners)} succeeded, which is enough for join_policy={work.join_policy}"
    if branches - len(losers) < enough:
        return f"{enough} of {_branches(branches)} cannot succeed any more, as join_policy={work.join_policy} asks"
    return ""


def outcome_of(work: ParallelWork, results: Sequence[Result], usage: Usage) -> Outcome:
    """Return how the component ended, once every branch has a result."""
    winners, losers = sum(map(succeeded, results)), [each for each in results if failed(each)]
    told = "; ".join(f"{each['id']}: {str(each['failure_reason'])[:REASON_CHARS]}" for each in losers)
    transient = all(each["failure_class"] == FailureClass.TRANSIENT_INFRA for each in losers) and bool(losers)
    failure_class = FailureClass.TRANSIENT_INFRA if transient else FailureClass.DETERMINISTIC
    if losers and work.error_policy == "fail_fast":
        return Outcome.failed(f"a branch failed, and error_policy=fail_fast: {told}", failure_class, usage=usage)
    if len(losers) == len(results):
        return Outcome.failed(f"all parallel branches failed: {told}", failure_class, usage=usage)
    enough = needed(work, len(results))
    if winners < enough:
        reason = f"{winners} of {_branches(len(results))} succeeded, {_asked(work)} needs {enough}"
        return Outcome.failed(f"{reason}: {told}" if told else reason, failure_class, usage=usage)
    notes = f"{len(losers)} of {_branches(len(results))} failed: {told}" if losers else ""
    if losers and work.join_policy == "wait_all" and work.error_policy == "continue":
        return Outcome(status=Status.PARTIAL_SUCCESS, word="partial_success", notes=notes, usage=usage)
    return Outcome.success(notes=notes, usage=usage)


def _asked(work: ParallelWork) -> str:
    value = {"k_of_n": f", k={work.k}", "quorum": f", quorum_fraction={work.quorum_fraction:g}"}
    return f"join_policy={work.join_policy}{value.get(work.join_policy, '')}"


def _branches(count: int) -> str:
    return "1 branch" if count == 1 else f"{count} branches"
