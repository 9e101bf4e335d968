"""The environment of every child process, built in one place.

Tools, agents' shells, setup commands and git all start from the same short list, so that a command that works in one
of them works in the others, and a secret reaches a child only when run.yaml names it under `env.pass`.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# fmt: off
INHERITED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
})
# fmt: on
SECRET = re.compile(r".*_(?:KEY|TOKEN|SECRET|PASSWORD)|.*CREDENTIAL.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVariables:
    """What a stage is told about itself through its environment."""

    run_id: str
    node_id: str
    visit: int
    attempt: int
    workspace: Path
    stage_folder: Path
    status_path: Path
    fallback_path: Path
    previous_node: str = ""
    previous_outcome: str = ""
    inputs: Mapping[str, object] = field(default_factory=dict)

    def as_environment(self) -> dict[str, str]:
        """Return the variables; the KILROY names let graphs written for that engine run unchanged."""
        status, fallback = str(self.status_path), str(self.fallback_path)
        return {
            "ATTRACTOR_RUN_ID": self.run_id,
            "ATTRACTOR_NODE_ID": self.node_id,
            "ATTRACTOR_VISIT": str(self.visit),
            "ATTRACTOR_ATTEMPT": str(self.attempt),
            "ATTRACTOR_WORKSPACE": str(self.workspace),
            "ATTRACTOR_STAGE_DIR": str(self.stage_folder),
            "ATTRACTOR_STATUS_PATH": status,
            "ATTRACTOR_STATUS_FALLBACK_PATH": fallback,
            "ATTRACTOR_PREVIOUS_NODE": self.previous_node,
            "ATTRACTOR_PREVIOUS_OUTCOME": self.previous_outcome,
            "KILROY_RUN_ID": self.run_id,
            "KILROY_NODE_ID": self.node_id,
            "KILROY_WORKTREE_DIR": str(self.workspace),
            "KILROY_STAGE_LOGS_DIR": str(self.stage_folder),
            "KILROY_STAGE_STATUS_PATH": status,
            "KILROY_STAGE_STATUS_FALLBACK_PATH": fallback,
            **input_variables(self.inputs),
        }


def input_variables(inputs: Mapping[str, object]) -> dict[str, str]:
    """Return `ATTRACTOR_INPUT_<NAME>` for each input of run.yaml, the name in capitals."""
    return {f"ATTRACTOR_INPUT_{name.upper()}": input_text(value) for name, value in inputs.items()}


def input_text(value: object) -> str:
    """Return a scalar as a shell reads it: `true`, `false`, nothing for null, the text otherwise."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def child_environment(
    inherited: Mapping[str, str], passed: Collection[str], variables: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment of a child: the allow-list of `inherited`, what `passed` names, then `variables`.

    A name that looks like a secret passes only when listed, and so does a proxy that carries a password. A variable
    listed but not set is left out.
    """
    environment = {
        name: value
        for name, value in inherited.items()
        if name in passed or (_is_inherited(name) and not SECRET.fullmatch(name) and not _has_password(name, value))
    }
    environment.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    if variables is not None:
        environment.update(variables)
    return environment


def _is_inherited(name: str) -> bool:
    return name in INHERITED or name.startswith("LC_")


def _has_password(name: str, value: str) -> bool:
    return "@" in value and name.upper().endswith("_PROXY")


def find_program(program: str, path: str) -> str:
    """Return the program's full path as `PATH` has it; "" if it is nowhere."""
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder, program)
        if os.path.isabs(candidate) and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return ""
