"""The most that a plan can ask of models: calls and cost per node and in total, from the plan's own bounds.

visits = those of a pass x passes (restarts + 1) x visits of the regions around it
calls  = visits x attempts x (turns + failover targets) x (retries of a call + 1)

A node that lies on no loop is visited once per pass, one on a loop as often as `max_visits` allows. Breakers that count
failures end most runs long before; nothing here depends on what stages answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .loops import components, on_a_loop, reachable
from .plan import CodergenWork, FanInWork, Llm, ManagerWork, Node, ParallelWork, Plan
from .read_plan import plan_of
from .routing import Way, ways_on

MOST_DEPTH = 64


class Tokens(NamedTuple):
    """What one request is taken to hold; a node's `max_tokens` replaces `output`."""

    input: int
    output: int


class Asked(NamedTuple):
    """What a node may ask. None: without bound, or not known; `why` says which and why."""

    node: str  # a stage of a child pipeline is `MANAGER/NODE`
    kind: str
    models: tuple[str, ...]
    visits: int | None
    attempts: int
    turns: int
    calls: int | None
    answer_usd: float | None  # of one answer, by the dearest model of the chain
    cost_usd: float | None
    why: tuple[str, ...]


class Estimate(NamedTuple):
    nodes: tuple[Asked, ...]
    calls: int | None  # of the nodes together; None: without bound
    cost_usd: float | None  # None: without bound, or a price is not known
    most_calls: int | None  # the same, as far as the run's limits let it come
    most_cost_usd: float | None
    why: tuple[str, ...]


def estimate(plan: Plan, tokens: Tokens) -> Estimate:
    nodes = tuple(_nodes(plan, tokens, "", 1))
    calls = _total([node.calls for node in nodes])
    cost = None if any(node.cost_usd is None for node in nodes) else sum(node.cost_usd or 0.0 for node in nodes)
    limits = plan.limits
    answers = [node.answer_usd for node in nodes]
    spent = None  # what the calls cost that the run's limit lets be made
    if limits.max_llm_calls is not None and None not in answers:
        spent = limits.max_llm_calls * max((answer or 0.0 for answer in answers), default=0.0)
    return Estimate(
        nodes=nodes,
        calls=calls,
        cost_usd=cost,
        most_calls=min((each for each in (calls, limits.max_llm_calls) if each is not None), default=None),
        most_cost_usd=min((each for each in (cost, limits.max_cost_usd, spent) if each is not None), default=None),
        why=tuple(dict.fromkeys(reason for node in nodes for reason in node.why)),
    )


def _nodes(plan: Plan, tokens: Tokens, above: str, times: int | None) -> Iterator[Asked]:
    """Yield what each stage of the plan may ask.

    Args:
        above: the manager whose child the plan is, as a path that ends in "/".
        times: how often the plan is run; None: without bound.
    """
    visits = most_visits(plan)
    for node in plan.nodes.values():
        llm = _llm(node)
        number = _times(visits[node.id], times)
        if llm is not None and number != 0:
            yield _asked(plan, node, llm, number, tokens, above)
        if isinstance(node.work, ManagerWork) and node.work.child and above.count("/") < MOST_DEPTH:
            child = plan_of(node.work.child)
            yield from _nodes(child, tokens, f"{above}{node.id}/", _times(number, node.attempts))


def _total(values: Sequence[int | None]) -> int | None:
    return None if None in values else sum(value or 0 for value in values)


def _times(*factors: int | None) -> int | None:
    """Return the product; None is without bound, and nothing times that is nothing."""
    product = 1
    for factor in factors:
        product *= 1 if factor is None else factor
    return None if None in factors and product else product


def _llm(node: Node) -> Llm | None:
    """Return whom the node asks, if it asks anybody."""
    match node.work:
        case CodergenWork():
            return node.work.llm
        case FanInWork() if node.work.prompt is not None:
            return node.work.llm
        case ManagerWork() if "steer" in node.work.actions:
            return node.work.llm
        case _:
            return None


def turns_of(node: Node) -> int:
    """Return how many answers one attempt may ask for."""
    match node.work:
        case CodergenWork(mode="agent_loop"):
            return node.work.llm.max_agent_turns
        case ManagerWork():
            return node.work.max_cycles
        case _:
            return 1


def _asked(plan: Plan, node: Node, llm: Llm, visits: int | None, tokens: Tokens, above: str) -> Asked:
    backends = {plan.providers[model.provider].backend for model in llm.chain}
    why = []
    if visits is None:
        why.append(f"{above}{node.id} is on a loop and has no bound on its visits: max_node_visits is 0")
    turns, retries, name = turns_of(node), plan.policy.max_llm_retries, f"{above}{node.id}"
    calls: int | None = 0
    price: float | None = 0.0
    if "cli" in backends:
        calls = price = None
        why.append(f"{name} is answered by a program of its own, and nobody knows how often that asks")
    elif "api" in backends:
        calls = _times(visits, node.attempts, turns + len(llm.chain) - 1, retries + 1)
        price = _price(plan, llm, tokens)
        unpriced = [f"{m.provider}/{m.model}" for m in llm.chain if m.model not in plan.providers[m.provider].prices]
        why += [f"{model} has no price: give it one under llm.providers.*.prices" for model in unpriced]
    answers = _times(visits, node.attempts, turns)
    return Asked(
        node=name,
        kind=node.kind,
        models=tuple(f"{model.provider}/{model.model}" for model in llm.chain),
        visits=visits,
        attempts=node.attempts,
        turns=turns,
        calls=calls,
        answer_usd=price,
        cost_usd=0.0 if price == 0.0 else None if answers is None or price is None else answers * price,
        why=tuple(why),
    )


def _price(plan: Plan, llm: Llm, tokens: Tokens) -> float | None:
    """Return what the dearest model of the chain takes for one answer; None if the price of one is not known."""
    output = tokens.output if llm.max_tokens is None else llm.max_tokens
    dearest = 0.0
    for model in llm.chain:
        price = plan.providers[model.provider].prices.get(model.model)
        if price is None:
            return None
        dearest = max(dearest, (tokens.input * price.input + output * price.output) / 1_000_000)
    return dearest


def most_visits(plan: Plan) -> Mapping[str, int | None]:
    """Return how often each node may be visited in a run; None: without bound."""
    found: dict[str, int | None] = dict.fromkeys(plan.nodes, 0)
    _walk(plan, plan.start, "", 1, (), found)
    return found


def _walk(
    plan: Plan, first: str, stop_at: str, times: int | None, around: Sequence[str], found: dict[str, int | None]
) -> None:
    """Add what one walk, the main one or a branch, may visit when it is walked `times` times."""
    ways = {node: [way.to for way in _ways(plan, node, stop_at) if not way.restarts] for node in plan.nodes}
    every = {node: [way.to for way in _ways(plan, node, stop_at)] for node in plan.nodes}
    reached = reachable([first], every.__getitem__) - {stop_at}
    again = {way.to for node in reached for way in _ways(plan, node, stop_at) if way.restarts}
    repeated = reachable(again, every.__getitem__)
    parts = components(ways)
    for node in sorted(reached):
        bound = (plan.nodes[node].max_visits or None) if on_a_loop(node, ways, parts) else 1
        passes = 1 + plan.limits.max_restarts if node in repeated else 1
        visits = _times(times, bound, passes)
        found[node] = _added(found[node], visits)
        work = plan.nodes[node].work
        if isinstance(work, ParallelWork) and node not in around and len(around) < MOST_DEPTH:
            for edge in plan.nodes[node].edges:
                _walk(plan, edge.to, work.join, visits, (*around, node), found)


def _ways(plan: Plan, node: str, stop_at: str) -> Iterator[Way]:
    """Yield the steps of one walk: those of a region's branches are not its own."""
    if node == stop_at:
        return
    joins = isinstance(plan.nodes[node].work, ParallelWork)
    yield from (way for way in ways_on(plan, plan.nodes[node]) if not joins or way.edge < 0)


def _added(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
