"""Pipelines as people write them go through the front door without a traceback; bench/corpus.py says how fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "public-pipelines"
ERRORS = {  # all that are right; whatever else a rule calls an error here is the rule's own
    "kilroy__demo__rogue__run.yaml": {"graph_not_found"},
    "kilroy__demo__solitaire__run.yaml": {"graph_not_found"},
    "kilroy__workflows__multi-tool-exercise__graph.dot": {"failure_routes_to_success_exit"},
}
FILES = sorted(CORPUS.glob("*")) if CORPUS.is_dir() else []


@pytest.mark.skipif(not FILES, reason="the corpus of public pipelines is not beside this checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_public_pipeline_is_checked(path: Path) -> None:
    command = [sys.executable, "-m", "attractor.cli.main", "compile", "--check", "--format", "json", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "" == result.stderr
    assert result.returncode in {0, 1}
    found = json.loads(result.stdout)["diagnostics"]
    assert {path.name} >= {Path(each["path"]).name for each in found}
    assert ERRORS.get(path.name, set()) == {each["rule"] for each in found if each["severity"] == "error"}
