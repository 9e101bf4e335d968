"""A working run.yaml of Kilroy's comes over: what moved is read and can be rewritten, what has no meaning is named."""

from pathlib import Path

import pytest

from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.fixes import fix_until_stable
from attractor.compiler.read_run_config import read_run_config
from attractor.compiler.run_config import RunConfig
from attractor.compiler.source import Source

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "public-pipelines"
OLD = """\
version: 1

repo:
  path: ../game

git:
  require_clean: true
  run_branch_prefix: try/run
  commit_per_node: false
  push_remote: origin
  checkpoint_exclude_globs:
    - "**/dist/**"

human: {mode: fail}
"""
NEW = """\
version: 1

workspace:
  repo: ../game
  require_clean: true
  branch_prefix: try/run
  commit_per_node: false
  push_remote: origin
  checkpoint_exclude:
    - "**/dist/**"


human: {mode: fail}
"""


def _read(text: str) -> tuple[RunConfig, list[Diagnostic]]:
    return read_run_config(Source("run.yaml", text))


def test_moved_keys_are_read_in_their_new_place() -> None:
    config, found = _read(OLD)

    assert ["run_deprecated_key"] * 6 == [each.rule for each in found]
    assert _read(NEW)[0].workspace == config.workspace
    assert ("run.yaml", (7, 3)) == (
        config.origin("/workspace/require_clean").source, config.key_span("/workspace/require_clean").position
    )  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_one_fix_rewrites_them_all_and_changes_nothing_else(newline: str) -> None:
    text = OLD.replace("\n", newline)
    fixed = fix_until_stable({"run.yaml": text}, lambda texts: _read(texts["run.yaml"])[1])

    assert {"run.yaml": NEW.replace("\n", newline)} == fixed.texts
    assert ["move the keys to workspace"] == fixed.applied
    assert [] == fixed.diagnostics


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nrepo: {path: x}\n",
        "version: 1\nrepo:\n  path: x # why\n",
        "version: 1\nrepo:\n  path: x\ngit:\n    require_clean: true\n",
        "version: 1\nrepo:\n  path: >\n    x\n",
        "version: 1\nrepo:\n  path: x\nworkspace: {mode: directory}\n",
    ],
    ids=["flow", "comment", "two_indentations", "folded", "workspace_given"],
)
def test_what_is_not_plain_is_left_to_the_author(text: str) -> None:
    config, found = _read(text)

    assert "x" == config.workspace.repo.strip()
    assert {None} == {each.fix for each in found}


def test_the_new_name_wins_over_the_old_one() -> None:
    config, (found,) = _read("version: 1\nworkspace: {repo: new}\nrepo: {path: old}\n")

    assert "new" == config.workspace.repo
    assert '"repo.path" is the old name of workspace.repo, which is given too; remove the old one' == found.message


def test_ignored_keys_are_named_with_what_to_use_instead() -> None:
    text = """\
version: 1
task: x
cxdb: {binary_addr: y}
modeldb: {a: 1}
artifact_policy: [z]
llm: {cli_profile: real}
inputs: {materialize: {enabled: true}, seed: 1}
"""
    config, found = _read(text)

    assert {"seed": 1} == config.inputs
    assert {
        "task", "cxdb", "modeldb", "artifact_policy", "llm.cli_profile", "inputs.materialize"
    } == {each.message.split('"')[1] for each in found}  # fmt: skip
    assert {"run_ignored_key"} == {each.rule for each in found}
    assert all(each.help for each in found)


def test_an_input_may_be_called_materialize() -> None:
    assert {"materialize": 3} == _read("version: 1\ninputs: {materialize: 3}\n")[0].inputs


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of public pipelines is not beside this checkout")
def test_public_files_come_over_with_warnings_only() -> None:
    files = sorted(CORPUS.glob("*run.yaml"))
    rules = {each.rule for path in files for each in _read(path.read_text("utf-8"))[1]}

    assert files
    assert {"run_deprecated_key", "run_ignored_key", "run_path_relative"} == rules


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of public pipelines is not beside this checkout")
def test_the_fix_of_a_public_file_keeps_its_meaning() -> None:
    for path in sorted(CORPUS.glob("*run.yaml")):
        text = path.read_text("utf-8")
        fixed = fix_until_stable({"run.yaml": text}, lambda texts: _read(texts["run.yaml"])[1])

        assert _read(text)[0].workspace == _read(fixed.texts["run.yaml"])[0].workspace
        assert "run_deprecated_key" not in {each.rule for each in fixed.diagnostics}
