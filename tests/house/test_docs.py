"""The pages that are generated say what the schemas and the registry say."""

import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType

import pytest

from attractor.cli.main import main
from attractor.compiler.providers import known_providers

ROOT = Path(__file__).parents[2]
PAGES = ("attributes.md", "events.md", "rules.md", "run-yaml.md", "tools.md")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_generated_page_is_known_here(generator: ModuleType) -> None:
    assert set(PAGES) == set(generator.pages())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_the_generator_writes(generator: ModuleType, page: str) -> None:
    """`make docs` brings it up to date."""
    assert generator.pages()[page] == (ROOT / "docs" / page).read_text("utf-8")


def test_the_readme_shows_what_the_compiler_really_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    said = io.StringIO()

    code = main(["compile", "--check", "demo/mistakes.dot"], io.StringIO(), said)

    assert 1 == code
    assert f"compile --check demo/mistakes.dot\n{said.getvalue()}```" in (ROOT / "README.md").read_text("utf-8")


def test_the_first_pipeline_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```(?:dot|yaml)\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    for name, text in zip(("hello.dot", "run.yaml", "scenario.yaml"), blocks, strict=False):
        (tmp_path / name).write_text(text)
    said = io.StringIO()

    code = main(["run", str(tmp_path / "run.yaml"), "--run-dir", str(tmp_path / "run")], said, said)

    assert 0 == code, said.getvalue()
    assert "Hello, world" == (tmp_path / "hello.txt").read_text()


@pytest.mark.parametrize(
    ("page", "name"), [("getting-started.md", "pipeline.dot"), ("editors.md", "pre-commit-config.yaml")]
)
def test_a_page_shows_what_init_writes(page: str, name: str) -> None:
    written = (ROOT / "cli/template" / name).read_text("utf-8")
    shown = "".join(line for line in written.splitlines(keepends=True) if not line.startswith("//"))

    assert f"\n{shown}```\n" in (ROOT / "docs" / page).read_text("utf-8")


def test_the_page_on_providers_lists_those_that_are_built_in() -> None:
    shown = [line for line in (ROOT / "docs/providers.md").read_text("utf-8").splitlines() if line.startswith("| `")]

    assert [
        f"| `{key}` | {f'`{known.api_key_env}`' if known.api_key_env else 'needs none'} | `{known.protocol}` "
        f"| {f'`{known.default_model}`' if known.default_model else 'name one'} "
        f"| {', '.join(f'`{other}`' for other in known.failover)} |"
        for key, known in known_providers().items()
    ] == shown[: len(known_providers())]
