"""No secret value can enter a plan: the compiler never looks at the environment."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CANARY = "canary-5f1e9c"


def _key_variables() -> list[str]:
    """Return every variable of a key that the catalogue knows."""
    catalogue = "".join(path.read_text("utf-8") for path in (ROOT / "compiler" / "catalog").iterdir())
    return sorted(set(re.findall(r"\b[A-Z][A-Z0-9_]*_(?:API_KEY|KEY|TOKEN|SECRET)\b", catalogue)))


def test_the_catalogue_names_key_variables() -> None:
    assert {"ANTHROPIC_API_KEY", "KIMI_API_KEY", "OPENAI_API_KEY", "ZAI_API_KEY"} <= set(_key_variables())


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "kimi", "zai"])
def test_a_canary_in_every_key_variable_does_not_reach_the_plan(provider: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "version: 1\nllm:\n"
        f"  defaults: {{provider: {provider}, model: some-model}}\n"
        f"  providers: {{{provider}: {{backend: api, failover: [], api: {{headers: {{X-Team: $TEAM_TOKEN}}}}}}}}\n"
        "env: {pass: [SECRET_OF_MINE]}\n"
    )
    (tmp_path / "g.dot").write_text(
        'digraph g { s [shape=Mdiamond] w [prompt="say $SECRET_OF_MINE"] e [shape=Msquare] s -> w -> e }\n'
    )
    environment = dict.fromkeys([*_key_variables(), "TEAM_TOKEN", "SECRET_OF_MINE"], CANARY)
    result = subprocess.run(
        [sys.executable, "-m", "attractor.cli.main", "compile", "run.yaml", "-o", "plan.json"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    plan = (tmp_path / "plan.json").read_text("utf-8")

    assert 0 == result.returncode, result.stderr
    assert [] != json.loads(plan)["preflight"]["env"]
    assert CANARY not in plan + result.stdout + result.stderr
