"""A scripted provider's scenario, as it goes into the plan."""

from collections.abc import Mapping

from .diagnostics import Diagnostic
from .schema import complaints
from .source import Source
from .yaml_reader import read_yaml

RULE = "script_invalid"


def read_scenario(source: Source) -> tuple[Mapping[str, object] | None, list[Diagnostic]]:
    """Return the scenario in `source` and all that is wrong with it; None when it is no mapping."""
    document, found = read_yaml(source)
    if document.whole:
        found += [complaint for complaint, _ in complaints("scenario", document.values, document.spans, "scenario")]
    values = document.values if isinstance(document.values, dict) else None
    return values, [each._replace(rule=RULE) for each in found]
