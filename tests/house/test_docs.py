"""The pages that are generated say what the schemas and the registry say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("attributes.md", "events.md", "rules.md", "run-yaml.md")


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
