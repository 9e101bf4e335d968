"""All rules and checks, joined in one literal list."""

from . import meta, reading
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    *meta.RULES,
    *reading.RULES,
)  # fmt: skip
CHECKS: tuple[Check, ...] = (
    *meta.CHECKS,
    *reading.CHECKS,
)  # fmt: skip

__all__ = ["CHECKS", "RULES", "Check", "Project", "Rule"]
