"""Scenarios: a scripted provider's, as it goes into the plan, and the provider simulator's."""

from collections.abc import Mapping

from .diagnostics import Diagnostic
from .schema import complaints
from .source import Source
from .yaml_reader import read_yaml

RULE = "script_invalid"


def read_scenario(source: Source, schema: str = "scenario") -> tuple[Mapping[str, object] | None, list[Diagnostic]]:
    """Return the scenario in `source` and all that is wrong with it; None when it is no mapping.

    Args:
        schema: which kind of scenario: `scenario` or `simulator`.
    """
    document, found = read_yaml(source)
    if document.whole:
        found += [complaint for complaint, _ in complaints(schema, document.values, document.spans, "scenario")]
    values = document.values if isinstance(document.values, dict) else None
    return values, [each._replace(rule=RULE) for each in found]
