"""An LLM stage: a session with tools, one call to a model, a vendor's own agent, or a scenario that stands in."""

from collections.abc import Iterator

from ..outcome import FailureClass, Outcome
from ..plan import CodergenWork, Node, Plan
from ..scripted import Scenario
from ..world import World
from . import scripted
from .contract import Report, Visit


def run(visit: Visit, world: World) -> Report:
    work = visit.node.work
    assert isinstance(work, CodergenWork)  # noqa: S101 - the plan's reader made it so
    unable = next(_unsupported(visit.plan, visit.node), "")
    if unable:
        return Report(Outcome.failed(unable, FailureClass.STRUCTURAL))
    provider = visit.plan.providers[work.llm.chain[0].provider]
    if provider.backend == "scripted":
        turn = Scenario(provider.script or {}).turn(visit.node.id, visit.overall, visit.attempt)
        return scripted.play_agent(visit, world, turn, "scripted")
    if provider.backend == "cli":
        from . import cli_agent

        return cli_agent.run(visit, world, work)
    # Both bring the HTTP client along, which costs more than a short run.
    if work.mode == "one_shot":
        from . import one_shot

        return one_shot.run(visit, world, work)
    from . import agent_loop

    return agent_loop.run(visit, world, work)


def unsupported_providers(plan: Plan) -> list[str]:
    """Return why the plan's LLM stages cannot run in this build, one sentence per provider; none when they can."""
    reasons: dict[str, str] = {}
    for node in plan.nodes.values():
        for reason in _unsupported(plan, node):
            reasons.setdefault(reason.partition(":")[0], reason)
    return list(reasons.values())


def _unsupported(plan: Plan, node: Node) -> Iterator[str]:
    work = node.work
    if not isinstance(work, CodergenWork):
        return
    first, *targets = work.llm.chain
    backend = plan.providers[first.provider].backend
    if backend == "scripted":
        return
    for target in targets:
        other = plan.providers[target.provider].backend
        if other != backend:
            whom = f"provider {target.provider!r}"
            yield f"{whom}: no failover from backend {backend} to backend {other}; {node.id!r} may go to it"
