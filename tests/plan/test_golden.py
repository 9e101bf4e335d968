"""Golden cases: each folder of tests/golden is a pipeline with the plan or the diagnostics that it must give.

`pytest --update-golden` rewrites the expected files; the review reads the difference.
"""

import io
import json
from pathlib import Path

import jsonschema
import pytest

from attractor.cli.main import main

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/run.yaml"))
PLAN_SCHEMA = json.loads((ROOT / "schemas" / "plan.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_pipeline_gives_its_golden_plan_or_diagnostics(
    folder: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(["compile", "run.yaml", "-o", "-", "-q"], stdout, stderr)
    made = {"plan.json": stdout.getvalue(), "diagnostics.txt": stderr.getvalue()}
    if update_golden:
        for name, text in made.items():
            (folder / name).unlink(missing_ok=True)
            if text:
                (folder / name).write_text(text, "utf-8")

    expected = {name: (folder / name).read_text("utf-8") if (folder / name).exists() else "" for name in made}
    assert expected == made
    assert (0 if expected["plan.json"] else 1) == code


@pytest.mark.parametrize("plan", sorted(GOLDEN.glob("*/plan.json")), ids=lambda plan: plan.parent.name)
def test_a_golden_plan_is_valid_to_the_other_validator_as_well(plan: Path) -> None:
    errors = jsonschema.Draft7Validator(PLAN_SCHEMA).iter_errors(json.loads(plan.read_text("utf-8")))

    assert [] == [error.message for error in errors]


def test_there_are_golden_plans_and_golden_diagnostics() -> None:
    assert [] != [case for case in CASES if (case / "plan.json").exists()]
    assert [] != [case for case in CASES if not (case / "plan.json").exists()]
