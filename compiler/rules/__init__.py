"""All rules and checks, joined in one literal list."""

from . import meta
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    *meta.RULES,
)  # fmt: skip
CHECKS: tuple[Check, ...] = (
    *meta.CHECKS,
)  # fmt: skip

__all__ = ["CHECKS", "RULES", "Check", "Project", "Rule"]
