"""The same input gives the same bytes: in any folder, with any hash seed, locale and time zone."""

import hashlib
import json
import locale
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
PIPELINES = ("every-kind", "models-and-timeouts", "child-pipeline")


def _locales() -> list[str]:
    """Return C, C.UTF-8, and one that writes decimals with a comma where the machine has it."""
    wanted = ["C", "C.UTF-8"]
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    return wanted + [name for name in listed if name.lower().startswith(("de_", "fr_", "nb_", "ru_"))][:1]


def _compile(folder: Path, **environment: str) -> bytes:
    subprocess.run(
        [sys.executable, "-m", "attractor.cli.main", "compile", "run.yaml", "-o", "out.json", "-q"],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return (folder / "out.json").read_bytes()


@pytest.mark.parametrize("name", PIPELINES)
def test_a_plan_has_the_same_bytes_wherever_and_however_it_is_compiled(name: str, tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "quite" / "another place" / "ünïcode"
    for folder in (here, there):
        shutil.copytree(GOLDEN / name, folder)
    plans = {
        (seed, place, zone): _compile(folder, PYTHONHASHSEED=seed, LC_ALL=place, LANG=place, TZ=zone)
        for number, (place, folder) in enumerate(zip(_locales(), (here, there, here), strict=False))
        for seed, zone in ((str(number), "UTC"), (str(number + 100), "Pacific/Kiritimati"))
    }

    assert 4 <= len(plans)
    assert {(GOLDEN / name / "plan.json").read_bytes()} == set(plans.values())


def test_a_comma_locale_is_tried_where_there_is_one() -> None:
    if len(_locales()) == 2:
        pytest.skip("this machine has no locale that writes decimals with a comma")
    locale.setlocale(locale.LC_ALL, _locales()[2])
    point = locale.localeconv()["decimal_point"]
    locale.setlocale(locale.LC_ALL, "C")

    assert "," == point


def test_run_yaml_may_be_named_from_another_folder(tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN / "models-and-timeouts", tmp_path / "project")
    for arguments in ([str(folder / "run.yaml")], [os.path.relpath(folder / "run.yaml", tmp_path)]):
        result = subprocess.run(
            [sys.executable, "-m", "attractor.cli.main", "compile", *arguments, "-o", "-", "-q"],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert (folder / "plan.json").read_bytes() == result.stdout


def test_the_digest_is_the_sha256_of_the_canonical_json_of_the_rest() -> None:
    plan = json.loads((GOLDEN / "every-kind" / "plan.json").read_bytes())
    digest = plan.pop("digest")
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    assert f"sha256:{hashlib.sha256(canonical).hexdigest()}" == digest


def test_every_file_that_was_read_is_among_the_sources() -> None:
    folder = GOLDEN / "child-pipeline"
    plan = json.loads((folder / "plan.json").read_bytes())
    read = ["child/child.dot", "graph.dot", "run.yaml", "scenario.yaml"]

    assert [
        {"path": path, "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest()} for path in read
    ] == plan["sources"]
