"""What the two simulated providers answer, stage by stage: the scenario of `attractor simulate-provider`.

Kimi sends each call as it was seen to do: the whole input in the block's start, and the same document again as a delta.
It is overloaded while the analysis is asked for, until the run goes to zai for that stage.
"""

from typing import Any

Answer = dict[str, Any]

SECTIONS = {
    "docs/spec.md": ("Commands", "Items", "Monsters", "Traps", "Levels", "Score"),
    "docs/analysis.md": ("Modules", "State", "Order of a turn", "Random numbers", "Platform"),
}
MODULES = ("dungeon", "creatures", "items", "interface")


def document(name: str) -> str:
    return "".join(f"## {part}\n\nAs far as the rehearsal goes.\n\n" for part in SECTIONS[name])


def test_file(body: str) -> str:
    return f"#[test]\nfn playthrough() {{ {body} }}\n"


class Script:
    """Answers in the order in which they are given out; each stage is known by a phrase of its prompt."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def add(self, said: str, *, by: str = "kimi", times: int = 1, **answer: Any) -> None:
        self.answers.append({"match": {"path": f"/{by}", "said": said}, "repeat": times, **answer})

    def stage(self, said: str, *calls: tuple[str, dict[str, Any]], by: str = "kimi", notes: str, **report: Any) -> None:
        """Answer a stage: one turn that calls tools, if there are calls, and one that reports."""
        usage = {"input": 4200, "output": 310}
        if calls:
            self.add(said, by=by, text="I will do that.", tool_calls=[call(by, *each) for each in calls], usage=usage)
        outcome = {"status": "success", "notes": notes, **report}
        self.add(said, by=by, tool_calls=[call(by, "report_outcome", outcome)], usage=usage)


def call(by: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    shape = {"shape": "start_full_same_delta"} if by == "kimi" else {}
    return {"name": name, "arguments": arguments, **shape}


def write(path: str, content: str) -> tuple[str, dict[str, Any]]:
    return "write_file", {"file_path": path, "content": content}


def read(path: str) -> tuple[str, dict[str, Any]]:
    return "read_file", {"file_path": path}


def shell(command: str) -> tuple[str, dict[str, Any]]:
    return "shell", {"command": command}


def scenario() -> dict[str, Any]:
    script = Script()
    _papers(script)
    _scaffold(script)
    for module in MODULES:
        code = f"pub fn {module}() {{}}\n\n#[test]\nfn {module}_keeps_its_rules() {{ assert!(true) }}\n"
        said = f"into src/{module}.rs as docs/architecture.md says"
        script.stage(said, write(f"src/{module}.rs", code), shell(f"cargo test --lib {module}_"), notes=f"{module} ported")
    _integration(script)
    _judgement(script)
    return {"version": 1, "answers": script.answers, "otherwise": {"text": "ok"}}


def _papers(script: Script) -> None:
    script.stage(
        "write docs/spec.md: every command",
        read("rogue-5.4.4/README"),
        write("docs/spec.md", document("docs/spec.md")),
        notes="specified",
    )
    said = "write docs/analysis.md: the modules"
    script.add(said, times=7, error={"kind": "overloaded"})  # once, and six more times: max_llm_retries
    script.stage(said, write("docs/analysis.md", document("docs/analysis.md")), by="zai", notes="analysed")
    places = "".join(f"- src/{module}.rs\n" for module in ("model", *MODULES))
    script.stage("write docs/architecture.md: one crate", write("docs/architecture.md", places), notes="designed")


def _scaffold(script: Script) -> None:
    said = "Create the crate as docs/architecture.md says"
    manifest = '[package]\nname = "rogue"\nversion = "0.1.0"\n\n[lib]\ncrate-type = ["cdylib", "rlib"]\n'
    library = "".join(f"pub mod {module};\n" for module in ("model", *MODULES))
    files = [write("Cargo.toml", manifest), write("src/lib.rs", library), write("src/model.rs", "pub struct Level;\n")]
    files += [write(f"src/{module}.rs", f"pub fn {module}() {{ todo!() }}\n") for module in MODULES]
    script.stage(said, *files, notes="scaffolded")
    script.stage(said, read("src/lib.rs"), notes="the scaffold stands; the registry was down")  # after the restart


def _integration(script: Script) -> None:
    said = "The four modules are merged"
    page = "<!doctype html><title>Rogue</title><script type=module src=../pkg/rogue.js></script>\n"
    script.stage(
        said,
        write("www/index.html", page),
        write("tests/playthrough.rs", test_file('panic!("expected a staircase at (12, 40)")')),
        notes="integrated",
    )
    script.stage(
        said,
        write("tests/playthrough.rs", test_file('panic!("the amulet is on the wrong level")')),
        notes="the staircase is there",
    )
    script.stage(said, write("tests/playthrough.rs", test_file("assert!(true)")), notes="the amulet is on level 26")


def _judgement(script: Script) -> None:
    rules = "- [x] 26 levels\n- [x] nine rooms at most\n"
    script.stage("Go through docs/spec.md rule by rule", write("docs/qa.md", rules), notes="no rule is open")
    script.stage("You did not write this", read("docs/qa.md"), by="zai", notes="I would ship it")
