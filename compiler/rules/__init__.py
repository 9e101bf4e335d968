"""All rules and checks, joined in one literal list."""

from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = ()
CHECKS: tuple[Check, ...] = ()

__all__ = ["CHECKS", "RULES", "Check", "Project", "Rule"]
