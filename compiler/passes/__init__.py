"""Passes: each resolves one thing and returns the graph with one more column.

What a pass cannot resolve it leaves empty, and a rule finds it; every value carries its origin.
"""

from collections.abc import Callable

from ..graph import Graph
from ..run_config import RunConfig
from . import (
    apply_stylesheet,
    expand_prompts,
    plan_probes,
    resolve_catches,
    resolve_failover,
    resolve_fidelity,
    resolve_kinds,
    resolve_models,
    resolve_outcomes,
    resolve_regions,
    resolve_restarts,
    resolve_retries,
    resolve_retry_targets,
    resolve_routes,
    resolve_timeouts,
)

Pass = Callable[[Graph, RunConfig | None], Graph]

PASSES: tuple[Pass, ...] = (
    resolve_kinds.run,  # first: nearly every other pass asks for a node's kind
    apply_stylesheet.run,  # before resolve_models: it may set the model
    expand_prompts.run,  # before resolve_models: a join asks a model only if it has a prompt
    resolve_models.run,
    resolve_failover.run,  # after resolve_models: the chain begins with the node's own model
    resolve_fidelity.run,
    resolve_timeouts.run,
    resolve_retries.run,
    resolve_retry_targets.run,
    resolve_restarts.run,
    resolve_routes.run,
    resolve_catches.run,  # after resolve_routes: a failure falls along plain routes only
    resolve_outcomes.run,  # after resolve_catches: a failure reaches a conditional node by them
    resolve_regions.run,
    plan_probes.run,  # last: it looks at finished chains
)
