"""All rules and checks, joined in one literal list."""

from . import attributes, meta, models, providers, reading, run, run_graph, tools
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    *attributes.RULES,
    *tools.RULES,
    *models.RULES,
    *providers.RULES,
    *run.RULES,
    *run_graph.RULES,
    *meta.RULES,
    *reading.RULES,
)  # fmt: skip
CHECKS: tuple[Check, ...] = (
    *attributes.CHECKS,
    *tools.CHECKS,
    *models.CHECKS,
    *providers.CHECKS,
    *run.CHECKS,
    *run_graph.CHECKS,
    *meta.CHECKS,
    *reading.CHECKS,
)  # fmt: skip

__all__ = ["CHECKS", "RULES", "Check", "Project", "Rule"]
