"""Whatever a file holds, looking for suppressions, settling and showing never fails."""

from hypothesis import given
from hypothesis import strategies as st

from attractor.compiler.diagnostics import Diagnostic, Severity
from attractor.compiler.reporters.github import render_github
from attractor.compiler.reporters.json import render_json
from attractor.compiler.reporters.sarif import render_sarif
from attractor.compiler.reporters.text import render_text
from attractor.compiler.settings import Settings, settle
from attractor.compiler.source import Source
from attractor.compiler.suppressions import suppressions_in_dot, suppressions_in_yaml

PIECES = st.sampled_from(
    ['"', "\\", "//", "/*", "*/", "#", "\n", "\r\n", " ", "a: ", "|", "- ", "'", "x", "🙂", "\t", "\ufeff",
     "// attractor: ignore[attr_legacy_alias]", "# attractor: ignore[a, provider_unused] why",
     "attractor: ignore[", "]"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60).map(
    lambda text: f"{text}// attractor: {text}"
)


@given(TEXTS)
def test_a_suppression_covers_lines_that_exist_and_its_comment_begins_as_one(text: str) -> None:
    for found in suppressions_in_dot(Source("g.dot", text)):
        assert found.comment.text.startswith("//")
        assert 1 <= found.lines[0] <= found.lines[1] <= text.count("\n") + 1
    for found in suppressions_in_yaml(Source("run.yaml", text)):
        assert found.comment.text.startswith("#")
        assert 1 <= found.lines[0] <= found.lines[1] <= text.count("\n") + 1


@given(TEXTS, st.integers(0, 80), st.integers(0, 80))
def test_settling_and_showing_never_fails_and_shows_no_control_characters(text: str, start: int, length: int) -> None:
    source = Source("g.dot", text)
    start = min(start, len(text))
    found = Diagnostic("attr_legacy_alias", source.span(start, min(start + length, len(text))), text, Severity.INFO)

    settled = settle([found], Settings(), graphs=[source])
    shown = render_text(settled)

    assert render_json(settled).isascii()
    assert render_sarif(settled, "1.0.0").isascii()
    assert all(line.startswith("::") for line in render_github(settled).split("\n")[:-2])
    assert not set(render_github(settled)) & set("\x1b\r\x00\ufeff\u202e")
    assert not set(shown) & set("\x1b\r\x00\ufeff\u202e")
    for each in settled:
        assert 0 <= each.span.start <= each.span.end <= len(text)
