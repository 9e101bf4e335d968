"""Rules about files: found while they are read, so no checks stand here."""

from ..diagnostics import Severity
from .registry import Check, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "source_unreadable",
        Severity.ERROR,
        "a file is missing, a folder, not permitted, too large, empty, or not text in UTF-8",
        "Nothing can be said about a pipeline that cannot be read. Files may have up to 16 MiB.",
        spec=True,
    ),
    Rule(
        "graph_not_found",
        Severity.ERROR,
        "run.yaml names no graph and not exactly one .dot file is beside it, or --graph names another",
        "Guessing between two graphs would run the wrong one.",
        spec=True,
    ),
    Rule(
        "prompt_file_unreadable",
        Severity.ERROR,
        "a `prompt_file` cannot be read, or lies outside the repository",
        "The prompt is copied into the plan. A file from elsewhere exists on one machine only, and may be private.",
        spec=True,
    ),
    Rule(
        "script_unreadable",
        Severity.ERROR,
        "the scenario of a scripted provider cannot be read",
        "The scenario is copied into the plan: without it the stages of that provider have no answers.",
        spec=True,
    ),
    Rule(
        "script_invalid",
        Severity.ERROR,
        "the scenario of a scripted provider is not YAML, or not what `schemas/scenario.schema.json` says",
        "A misspelt key would leave a stage without its answer, and the rehearsal proves nothing.",
        spec=True,
    ),
    Rule(
        "child_pipeline_endless",
        Severity.ERROR,
        "a child pipeline is its own parent, or is nested deeper than eight pipelines",
        "Each child is compiled into the plan of its parent, so such a plan would have no end.",
        spec=True,
    ),
)
CHECKS: tuple[Check, ...] = ()
