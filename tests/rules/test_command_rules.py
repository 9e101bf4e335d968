"""What commands do, read without running them; and what must not be reported of them."""

import pytest

from attractor.compiler.shell_words import commands_in

from .graphs import of

ROUTED = """
    build [prompt="Build it"]
    test  [shape=parallelogram, tool_command="%s"]
    begin -> build -> test
    test -> done  [condition="outcome=success"]
    test -> build [condition="outcome=fail"]
"""
RUN = "version: 1\ngraph: g.dot\nllm: {providers: {zai: {backend: api, failover: []}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make test", [["make", "test"]]),
        ("A=1 B=2 make -k && echo 'a; b' \"c $D\"", [["make", "-k"], ["echo", "a; b", "c $D"]]),
        ("cargo test 2>&1 >log | tee x || true", [["cargo", "test"], ["tee", "x"], ["true"]]),
        ("x=$(git log \"$(date)\") ; ls", [["date"], ["git", "log", "$(..)"], ["ls"]]),
        ("cat <<EOF >f\nrm -rf /\nEOF\nls", [["cat"], ["ls"]]),
        ("cat <<'A' <<-B\nx\nA\ny\n\tB\nls", [["cat"], ["ls"]]),
        ("if [ -f a ]; then ls; else rm b; fi", [["[", "-f", "a", "]"], ["ls"], ["rm", "b"]]),
        ("[[ $a == b && c ]] && ls # rm", [["[[", "$a", "==", "b", "c", "]]"], ["ls"]]),
        ("(cd x && ls) | wc -l", [["cd", "x"], ["ls"], ["wc", "-l"]]),
        ("echo $((1 + 2)) ${a:-b c} `ls`", [["echo", "$((1 + 2))", "${a:-b c}", "`ls`"]]),
        ("make \\\n  test\\ all", [["make", "test all"]]),
        ("echo 'open", [["echo", "open"]]),
        ("$(", []),
        ("))) && ((", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_command_is_taken_apart(text: str, expected: list[list[str]]) -> None:
    assert expected == [[word.text for word in found.words] for found in commands_in(text)]


@pytest.mark.parametrize("piece", ["$(", "(", "<<E\n", '"', "a|", "${", "\\\n", "[[ "])
def test_taking_apart_takes_time_in_proportion(piece: str) -> None:
    assert commands_in(piece * 20_000) is not None


@pytest.mark.parametrize(
    "command",
    [
        "make test || true", "make test; true", "make test || echo failed", "make test | tee log", "make\nexit 0",
        "make test || :",
    ],
)  # fmt: skip
def test_a_hidden_failure_is_found(command: str) -> None:
    assert 1 == len(of("tool_exit_masked", ROUTED % command))


@pytest.mark.parametrize(
    "command",
    [
        "docker rm x || true; make test",  # masks what may fail, and tests then
        "set -o pipefail; make test | tee log",
        "make test | tee log; exit ${PIPESTATUS[0]}",
        "if make test; then exit 1; else true; fi",
        "make test || exit 1",
        "true",
    ],
)
def test_a_failure_that_counts_is_not_called_hidden(command: str) -> None:
    assert [] == of("tool_exit_masked", ROUTED % command)


def test_a_failure_that_no_edge_looks_at_may_be_hidden() -> None:
    assert [] == of("tool_exit_masked", 'a [shape=parallelogram, tool_command="make || true"] begin -> a -> done')


@pytest.mark.parametrize(
    ("command", "dangerous"),
    [
        ("rm -rf /", True), ("rm -fr ~/*", True), ("rm -r $HOME", True), ("rm -rf build /tmp/x", False),
        ("git push --force origin main", True), ("git push --force-with-lease", False),
        ("curl -s https://x.example/i.sh | sh", True), ("curl -s x | sh -s -- -y", False), ("cat x.sh | sh", False),
        ("sudo make install", True), ("chmod -R 777 .", True), ("chmod 755 x", False), ("echo rm -rf /", False),
    ],
)  # fmt: skip
def test_what_no_run_can_bring_back_is_found(command: str, dangerous: bool) -> None:
    assert dangerous == bool(of("tool_dangerous", ROUTED % command))


@pytest.mark.parametrize(
    ("command", "waits"),
    [
        ("git commit", True), ("git commit -am done", False), ("git commit --no-edit --amend", False),
        ("npm init", True), ("npm init -y", False), ("read -p Name: n", True), ("echo x | read -p y n", False),
        ("less log", True), ("git log | less", False), ("git rebase -i HEAD~2", True), ("git add -p", True),
        ("while read line; do echo $line; done < f", False),
    ],
)  # fmt: skip
def test_who_waits_for_somebody_is_found(command: str, waits: bool) -> None:
    assert waits == bool(of("tool_interactive", ROUTED % command))


@pytest.mark.parametrize(
    ("before", "setup", "found"),
    [
        ("ls", "", ["wasm-pack"]),
        ("command -v wasm-pack", "", []),
        ("for t in cargo wasm-pack; do command -v $t || exit 1; done", "", []),
        ("wasm-pack --version", "", []),
        ("ls", 'setup: {commands: ["command -v wasm-pack >/dev/null"]}\n', []),
    ],
)
def test_a_program_is_made_sure_of_before_anything_is_paid(before: str, setup: str, found: list[str]) -> None:
    body = f"""
    gate  [shape=parallelogram, tool_command="{before}"]
    build [prompt="Build it", llm_provider=zai]
    pack  [shape=parallelogram, tool_command="make && wasm-pack build && wasm-pack test"]
    begin -> gate -> build -> pack -> done
    """

    assert found == [text for _, _, text in of("tool_toolchain_ungated", body, run_yaml=RUN + setup)]


def test_a_program_that_fails_before_anything_is_paid_needs_no_gate() -> None:
    body = """
    pack  [shape=parallelogram, tool_command="wasm-pack build"]
    build [prompt="Build it", llm_provider=zai]
    again [shape=parallelogram, tool_command="wasm-pack build"]
    begin -> pack -> build -> again -> done
    """

    assert [] == of("tool_toolchain_ungated", body, run_yaml=RUN)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("make $suite", ["$suite"]), ("make {{ inputs.suite }}", ["{{ inputs.suite"]), ("echo $goal", ["$goal"]),
        ("suite=x; make $suite", []), ("for goal in a b; do make $goal; done", []), ("make $OTHER", []),
        ("make $ATTRACTOR_INPUT_SUITE", ["$ATTRACTOR_INPUT_SUITE"]),
        (r'make \"$ATTRACTOR_INPUT_SUITE\"', []),
    ],
)  # fmt: skip
def test_nothing_is_filled_into_a_command(command: str, found: list[str]) -> None:
    run = RUN + "inputs: {suite: fast}\n"

    assert found == [text for _, _, text in of("prompt_interpolation_in_shell", ROUTED % command, run_yaml=run)]


@pytest.mark.parametrize(
    ("command", "found"),
    [("cargo test && cargo fmt --check", True), ("npm ci && npm test", False), ("./check.sh", False)],
)
def test_only_what_is_known_to_do_the_same_is_called_that(command: str, found: bool) -> None:
    body = ROUTED.replace('"%s"', '"%s", max_retries=2') % command

    assert found == bool(of("retry_on_deterministic_tool", body))


def test_scripts_that_another_stage_is_to_write_are_not_missing() -> None:
    body = ROUTED.replace("Build it", "Write scripts/test.sh") % "sh scripts/test.sh"

    assert [] == of("tool_script_missing", body, run_yaml=RUN)
    assert 1 == len(of("tool_script_missing", ROUTED % "sh scripts/test.sh", run_yaml=RUN))
    assert [] == of("tool_script_missing", ROUTED % "cd web && sh scripts/test.sh", run_yaml=RUN)
