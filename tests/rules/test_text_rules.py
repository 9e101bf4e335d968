"""What stands in prompts: keys that are never shown, gaps, places of one machine; and what only looks like it."""

import io
from pathlib import Path

import pytest

from attractor.cli.main import main

from .graphs import of

STAGE = """
    a [prompt="%s"]
    b [prompt="Test it"]
    begin -> a -> b -> done
"""
KEY = "sk-" + "Zq9wK2mT7xB4vN8cL1pR6sD3"


@pytest.mark.parametrize("key", [KEY, "ghp_" + "A1b2" * 9, "AKIA" + "ABCDEFGHIJKLMNOP", f"Bearer {KEY}"])
def test_a_key_is_found_and_never_shown(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    body = STAGE % f"Use {key} now"
    Path("g.dot").write_text(f"digraph g {{ begin [shape=Mdiamond] done [shape=Msquare] {body} }}", "utf-8")
    said = io.StringIO()

    codes = [main(["compile", "--check", "--format", form, "g.dot"], said, said) for form in ("text", "json", "sarif")]

    assert [1, 1, 1] == codes
    assert "prompt_secret" in said.getvalue()
    assert key not in said.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "Write a key-value-store-on-disk", "Use Bearer authentication/authorization", "Read sk_buff_allocation_paths",
        "the key_derivation_function_of_2", "-----",
    ],
)  # fmt: skip
def test_prose_is_no_key(text: str) -> None:
    assert [] == of("prompt_secret", STAGE % text)


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("TODO", True), ("  todo: write this", True), ("Build [INSERT name here]", True), ("TBD", True),
        ("Resolve every TODO in src", False), ("Todos are listed in docs/todo.md", False),
        ("Write the todo application", False), ("[INFO] lines are fine", False),
        ("Leave no TODO or XXX behind [see docs]", False),
    ],
)  # fmt: skip
def test_a_gap_is_told_from_a_task_about_gaps(text: str, gap: bool) -> None:
    assert gap == bool(of("prompt_placeholder", STAGE % text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"Do this.\\n\\nThen that.", True), (r"Do this.\\nThen that.", True), (r"Do this.\nThen that.", False),
        (r"Print it with printf '%s\\n'", False), (r"Split at \\n and join", False),
    ],
)  # fmt: skip
def test_a_new_line_that_became_letters_is_told_from_one_that_is_meant(text: str, found: bool) -> None:
    assert found == bool(of("prompt_double_escaped_newline", STAGE.replace("%s", text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Work in /Users/ann/tool", True), ("See /home/ben", True), (r"See C:\\Work", True),
        ("GET /home/", False), ("Read src/home/page.md", False), ("https://x.example/home/ann", False),
    ],
)  # fmt: skip
def test_a_place_of_one_machine_is_found(text: str, found: bool) -> None:
    assert found == bool(of("prompt_absolute_path", STAGE % text))


@pytest.mark.parametrize(
    ("more", "found"),
    [("", True), (", max_retries=1", False), (", allow_partial=true", False)],
)
def test_retry_is_asked_for_where_there_is_none(more: str, found: bool) -> None:
    body = STAGE.replace('%s"', f'Report outcome=retry when it hangs"{more}')

    assert found == bool(of("prompt_reserved_retry", body))


FILES = """
    plan  [prompt="%s"]
    build [prompt="%s"]
    last  [shape=parallelogram, tool_command="%s"]
    end   [prompt="Ship it"]
    begin -> plan -> build -> last -> end -> done
"""


@pytest.mark.parametrize(
    ("plan", "build", "tool", "found"),
    [
        ("Think", "Read .ai/plan.md", "ls", True),
        ("Write .ai/plan.md", "Read .ai/plan.md", "ls", False),
        ("Think", "Read .ai/plan.md if it exists", "ls", False),
        ("Think", "Document the results in .ai/plan.md", "ls", False),
        ("Write all you find to .ai/", "Read .ai/plan.md", "ls", False),
        ("Write .ai/plan_$NAME.md", "Read .ai/plan_a.md", "ls", False),
        ("Think", "Read .ai/plan.md", "cp x .ai/plan.md", False),  # written, but too late: file_read_not_upstream
        ("Think", "Read docs/plan.md", "ls", False),
    ],
)
def test_a_scratch_file_is_written_before_it_is_read(plan: str, build: str, tool: str, found: bool) -> None:
    assert found == bool(of("file_read_never_written", FILES % (plan, build, tool)))


def test_a_scratch_file_that_comes_too_late_is_found() -> None:
    body = FILES % ("Think", "Read .ai/plan.md", "cp x .ai/plan.md")

    assert ["build"] == [subject for _, subject, _ in of("file_read_not_upstream", body)]
    assert [] == of("file_read_not_upstream", body + 'last -> build [condition="outcome=fail"]')


def test_a_scratch_file_on_the_disk_needs_no_writer() -> None:
    assert [] == of("file_read_never_written", FILES % ("Think", "Read .ai/plan.md", "ls"), plan_md="here")


def test_long_twins_are_found_and_stages_that_share_a_default_are_not() -> None:
    text = " ".join(f"Sentence number {at} says what to do." for at in range(20))
    twin = text.replace("number 3 says", "number three says")
    body = 'a [prompt="%s"] b [prompt="%s"] begin -> a -> b -> done'

    assert 1 == len(of("prompt_duplicate", body % (text, twin)))
    assert [] == of("prompt_duplicate", body % (text, "Do something else. " * 30))
    assert [] == of("prompt_duplicate", f'node [prompt="{text}"] a b begin -> a -> b -> done')
