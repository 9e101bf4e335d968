"""Findings inside quoted strings stand at the exact column of the file, whatever stands before them in the string."""

from pathlib import Path

import pytest

from .conftest import check_here, line

HEAD = 'digraph build {\n  goal="g"\n  start [shape=Mdiamond]\n  exit [shape=Msquare]\n'
TAIL = "  start -> a -> exit\n}\n"

# The string's content, with the expected span between ⟦ and ⟧.
COMMANDS = {
    "plain": "cd x && ⟦fi⟧",
    "escaped-quotes-before": r"echo \"a b\" && ⟦fi⟧",
    "escaped-line-end-before": r"echo a\n\techo \\ b; ⟦fi⟧",
    "on-a-later-line": "echo 1\n  echo 2; ⟦fi⟧",
    "later-line-and-escapes": 'echo 1\\n echo \\"\n\n\\" ; ⟦fi⟧',
    "emoji-before": "echo 🙂🙂 é 日本 && ⟦fi⟧",
    "joined-lines-before": "echo 1 \\\n  2; ⟦fi⟧",
}
SHEETS = {
    "plain": "* { llm_model: x; } ⟦.gone⟧ { llm_model: y; }",
    "escaped-quotes-before": r"* { llm_model: \"x\"; } ⟦.gone⟧ { llm_model: y; }",
    "escaped-line-end-before": r"* { llm_model: x;\n }\n\t ⟦.gone⟧ { llm_model: y; }",
    "on-a-later-line": "* {\n  llm_model: x;\n}\n  ⟦.gone⟧ { llm_model: y; }",
    "joined-lines-before": "* { llm_model: x; } \\\n ⟦.gone⟧ { llm_model: y; }",
}
PROMPTS = {
    "plain": "Do ⟦$task⟧ now",
    "escaped-quotes-before": r"Say \"hi\" to ⟦$task⟧ now",
    "escaped-line-end-before": r"1.\n2. \\ ⟦$task⟧",
    "on-a-later-line": "One\n\ttwo ⟦$task⟧",
    "emoji-before": "🙂 é 日本 ⟦$task⟧",
}
CASES = [
    *(("tool_command_syntax", 'a [shape=parallelogram, tool_command="{}"]', text, f"command-{name}")
      for name, text in COMMANDS.items()),
    *(("style_unused_selector", 'a [prompt="x"]\n  model_stylesheet="{}"', text, f"sheet-{name}")
      for name, text in SHEETS.items()),
    *(("prompt_unknown_variable", 'a [prompt="{}"]', text, f"prompt-{name}") for name, text in PROMPTS.items()),
]  # fmt: skip


def _place(text: str, at: int) -> str:
    return f"{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("rule", "frame", "marked"), [case[:3] for case in CASES], ids=[case[3] for case in CASES])
def test_a_finding_inside_a_string_stands_where_it_was_written(
    rule: str, frame: str, marked: str, line_end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{HEAD}  {frame.format(marked)}\n{TAIL}"
    start = text.index("⟦")
    text = text.replace("⟦", "")
    end = text.index("⟧")
    text = text.replace("⟧", "")
    (tmp_path / "graph.dot").write_bytes(text.replace("\n", line_end).encode())
    monkeypatch.chdir(tmp_path)

    found = check_here().of(rule)

    assert [f"graph.dot:{_place(text, start)}-{_place(text, end)}"] == [line(each).split()[0] for each in found]
