"""Rules about run.yaml alone: found while it is read, so no checks stand here."""

from ..diagnostics import Severity
from .registry import Check, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "run_syntax",
        Severity.ERROR,
        "run.yaml is not YAML, or uses parts of YAML that a configuration has no need of",
        "Tags, merge keys and aliases without bounds can run code or fill the memory; a file that is cut off or "
        "wrongly indented says something else than its author meant.",
        spec=True,
    ),
    Rule(
        "run_multiple_documents",
        Severity.ERROR,
        "run.yaml holds a second document",
        "Only the first would be read: everything below the `---` would be without effect.",
        spec=True,
    ),
    Rule(
        "run_duplicate_key",
        Severity.ERROR,
        "a key is given twice in the same mapping",
        "YAML readers differ in which one wins, so the file means different things to different tools.",
        spec=True,
    ),
    Rule(
        "run_unknown_key",
        Severity.ERROR,
        "a key does not exist at this place",
        "A misspelt key would leave its default in force, and nobody would notice.",
        spec=True,
    ),
    Rule(
        "run_required",
        Severity.ERROR,
        "a key without which nothing can run is missing",
        "There is no default that would be right.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "run_version",
        Severity.ERROR,
        "`version` is not one that this compiler reads",
        "A later format may give the same keys another meaning.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "run_type",
        Severity.ERROR,
        "a value has the wrong type or form",
        "The value could only be guessed at, so its default would be in force instead.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "run_enum",
        Severity.ERROR,
        "a word is not one of those that this key knows",
        "The word has no meaning here, so the default would be in force instead.",
        spec=True,
    ),
    Rule(
        "run_range",
        Severity.ERROR,
        "a number is out of range, a list or text is empty or repeats itself, or two values contradict each other",
        "Such a value would switch a bound off, or make it trip at once.",
        spec=True,
    ),
    Rule(
        "run_path_relative",
        Severity.ERROR,
        "a path is absolute, or written with backslashes",
        "Paths count from the folder of run.yaml: any other path exists on one machine only. "
        "For `workspace.repo` it is a warning.",
        spec=True,
    ),
    Rule(
        "run_secret_literal",
        Severity.ERROR,
        "a key or token itself stands in run.yaml",
        "The file is committed and shared, and so is the plan. Write the name of the environment variable that holds "
        "the secret, and replace a key that has been committed.",
        spec=True,
    ),
    Rule(
        "run_protocol_required",
        Severity.ERROR,
        "a provider that is not built in does not say which protocol it speaks",
        "Nothing could be sent to it.",
        spec=True,
    ),
    Rule(
        "run_cli_contract",
        Severity.ERROR,
        "backend cli for a provider that has no command line agent",
        "There is no program to start: only openai (codex), anthropic (claude) and google (gemini) have one.",
        spec=True,
    ),
    Rule(
        "run_duplicate_provider",
        Severity.ERROR,
        "two keys under `llm.providers` are names of the same provider",
        "One of them would win, and the other's settings would be without effect.",
        spec=True,
    ),
    Rule(
        "run_deprecated_key",
        Severity.WARNING,
        "a key of a Kilroy run.yaml has another name here",
        "The old name still works; it will be an error in a later version.",
        fix="safe",
    ),
    Rule(
        "run_ignored_key",
        Severity.WARNING,
        "a key is accepted but has no effect",
        "Whoever wrote it expects something of it.",
    ),
    Rule(
        "provider_alias",
        Severity.INFO,
        "a provider is called by an alias",
        "Plans, events and reports call it by its own name, so a search for the alias finds nothing.",
        fix="safe",
    ),
    Rule(
        "failover_unknown",
        Severity.ERROR,
        "a failover list names a provider that run.yaml does not declare",
        "A run never reaches a vendor that its run.yaml does not mention, so this entry could never be used.",
        spec=True,
    ),
    Rule(
        "failover_self",
        Severity.ERROR,
        "a provider's failover list names the provider itself",
        "What has just failed is no place to go on.",
        spec=True,
    ),
    Rule(
        "failover_duplicate",
        Severity.ERROR,
        "a failover list names a provider twice, aliases included",
        "The second entry would ask the provider that has failed already.",
        spec=True,
    ),
    Rule(
        "failover_model_missing",
        Severity.ERROR,
        "a failover target has no model",
        "The first provider's model means nothing to another vendor, so no request could be made.",
        spec=True,
    ),
    Rule(
        "timeout_default_above_max",
        Severity.ERROR,
        "a default command timeout lies above the longest one that is allowed",
        "Every command would be given more time than commands may have.",
        spec=True,
    ),
)
CHECKS: tuple[Check, ...] = ()
