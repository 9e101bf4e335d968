"""Rules about the checking itself: settings, suppressions, checks that could not run."""

from ..diagnostics import Severity
from .registry import Check, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "check_skipped",
        Severity.INFO,
        "a check could not run, so its silence proves nothing",
        "A linter that skips a check in silence looks exactly like a linter that found nothing. "
        "Each skipped check is named with its reason, and counted in the summary.",
        spec=True,
    ),
    Rule(
        "internal_error",
        Severity.ERROR,
        "a check of attractor's own broke",
        "The fault is ours, not yours: the other checks still ran, but what this one would have found is unknown. "
        "Please report it with the pipeline that shows it.",
        spec=True,
    ),
    Rule(
        "settings_invalid",
        Severity.ERROR,
        "a setting of `[tool.attractor]` is unknown, mistyped, or asks for what cannot be",
        "A misspelt setting changes nothing and nobody notices. A rule without which no plan could be written "
        "can be neither switched off nor lowered.",
        spec=True,
    ),
    Rule(
        "unknown_rule",
        Severity.WARNING,
        "a suppression or a setting names a rule that does not exist",
        "The rule that was meant is still at work, or a renamed rule's suppression has become dead text.",
        spec=True,
    ),
    Rule(
        "unused_suppression",
        Severity.WARNING,
        "an `attractor: ignore[..]` comment silences nothing",
        "Left standing, it hides the next real finding of that rule at the same place.",
        spec=True,
        fix="safe",
    ),
)
CHECKS: tuple[Check, ...] = ()
