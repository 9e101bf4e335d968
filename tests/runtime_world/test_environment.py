"""What reaches a child process, and what never does."""

import os
from pathlib import Path

import pytest

from attractor.runtime.environment import StageVariables, child_environment
from attractor.runtime.shell import RealShell
from attractor.runtime.world import Command

CANARY = "canary-5f2a"
SECRETS = [
    "OPENAI_API_KEY",
    "aws_secret_access_key",
    "GITHUB_TOKEN",
    "CLIENT_SECRET",
    "DB_PASSWORD",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "LC_API_TOKEN",
]


@pytest.mark.parametrize("name", [*SECRETS, "CLAUDECODE", "PYTHONPATH", "ATTRACTOR_STATUS_PATH", "GIT_DIR"])
def test_a_variable_off_the_list_does_not_pass(name: str) -> None:
    assert name not in child_environment({name: CANARY, "PATH": "/bin"}, ())


@pytest.mark.parametrize("name", [*SECRETS, "CARGO_HOME"])
def test_a_variable_that_run_yaml_names_passes(name: str) -> None:
    assert CANARY == child_environment({name: CANARY}, (name,))[name]


NEEDED = "PATH HOME LANG LC_ALL LC_TIME TMPDIR TERM USER SHELL TZ SSL_CERT_FILE"


@pytest.mark.parametrize("name", NEEDED.split())
def test_a_variable_that_programs_need_passes(name: str) -> None:
    assert "value" == child_environment({name: "value"}, ())[name]


def test_a_proxy_passes_unless_it_carries_a_password() -> None:
    inherited = {"HTTPS_PROXY": "http://me:secret@proxy:1", "HTTP_PROXY": "http://proxy:1"}

    environment = child_environment(inherited, ())

    assert "HTTPS_PROXY" not in environment
    assert "http://proxy:1" == environment["HTTP_PROXY"]


def test_a_named_variable_that_is_not_set_stays_unset() -> None:
    assert "CARGO_HOME" not in child_environment({}, ("CARGO_HOME",))


def test_the_variables_of_a_stage_win_over_inherited_ones() -> None:
    environment = child_environment({"ATTRACTOR_RUN_ID": "outer"}, ("ATTRACTOR_RUN_ID",), {"ATTRACTOR_RUN_ID": "inner"})

    assert "inner" == environment["ATTRACTOR_RUN_ID"]


def test_a_stage_learns_where_it_is_and_where_to_report() -> None:
    variables = StageVariables(
        run_id="r1",
        node_id="verify",
        visit=2,
        attempt=3,
        workspace=Path("/w"),
        stage_folder=Path("/r/stages/verify/2-3"),
        status_path=Path("/w/.attractor/status/verify-2-3.json"),
        fallback_path=Path("/w/.ai/status.json"),
        previous_node="impl",
        previous_outcome="success",
        inputs={"seed": 42, "fast": True, "note": None, "name": "a b"},
    ).as_environment()

    assert "/w/.attractor/status/verify-2-3.json" == variables["ATTRACTOR_STATUS_PATH"]
    assert variables["ATTRACTOR_STATUS_PATH"] == variables["KILROY_STAGE_STATUS_PATH"]
    assert variables["ATTRACTOR_STATUS_FALLBACK_PATH"] == variables["KILROY_STAGE_STATUS_FALLBACK_PATH"]
    assert ["42", "true", "", "a b"] == [
        variables[f"ATTRACTOR_INPUT_{key}"] for key in ("SEED", "FAST", "NOTE", "NAME")
    ]
    assert ("r1", "verify", "2", "3") == tuple(
        variables[f"ATTRACTOR_{key}"] for key in ("RUN_ID", "NODE_ID", "VISIT", "ATTEMPT")
    )


def test_a_real_child_does_not_see_the_canary(tmp_path: Path) -> None:
    inherited = {**os.environ, **dict.fromkeys(SECRETS, CANARY), "SEEN_KEY": CANARY}
    command = Command(
        command="env",
        folder=tmp_path,
        environment={"OWN": "1"},
        timeout_ms=0,
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
    )

    RealShell(inherited, ("SEEN_KEY",)).run(command, NEVER, lambda _stream, _text: None)

    lines = (tmp_path / "out").read_text().splitlines()
    assert [f"SEEN_KEY={CANARY}"] == [line for line in lines if CANARY in line]
    assert "OWN=1" in lines


class Never:
    reason = ""

    def wait(self, seconds: float) -> bool:
        return False


NEVER = Never()
