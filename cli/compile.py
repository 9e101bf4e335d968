"""Check a pipeline and write its plan: NAME.plan.json beside run.yaml.

Every mistake of run.yaml, the graph and the files they name is reported in one
run, at its line and column. With errors no plan is written. With --check, FILE
may also be a .dot file: it is checked with the run.yaml beside it that names
it, else alone (then the rules that need a run.yaml do not run).

examples:
  attractor compile                        the run.yaml of this folder
  attractor compile --check demo/*.dot     only check
  attractor compile --check --fix          mend what can be mended safely
  attractor compile --set limits.max_llm_calls=10

exit codes: 0 clean, or warnings only; 1 errors (or warnings with --strict);
2 asked wrongly, or a bug of attractor
"""

import argparse
import gc
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from attractor.compiler.compile import Compilation, Request, collector_off, compile_pipeline, plan_of
from attractor.compiler.diagnostics import Diagnostic, Severity, sorted_unique
from attractor.compiler.locate import graph_named_by
from attractor.compiler.reading import Files
from attractor.compiler.settings import Settings, fails, load, settle

from .disk import Bash, Disk, Overlay, save, write_bytes
from .main import ExitCode, version
from .run_file import RUN_NAMES, NoRunFile, is_graph, run_file

FORMATS = ("text", "json", "sarif", "github")


def configure(parser: argparse.ArgumentParser) -> None:
    files = "run.yaml or its folder, default: the one here; with --check also several, and .dot files"
    parser.add_argument("files", nargs="*", metavar="FILE", help=files)
    parser.add_argument("-o", "--output", metavar="PLAN", help="default: NAME.plan.json beside run.yaml; `-`: stdout")
    parser.add_argument("--check", action="store_true", help="only check, write nothing")
    parser.add_argument("--format", choices=FORMATS, default="text",
                        help="of diagnostics: text for people, on stderr; json, sarif (code scanning) and github "
                        "(annotations of GitHub Actions) on stdout; default: text")  # fmt: skip
    add_inputs(parser)
    parser.add_argument("--strict", action="store_true", help="warnings fail, too")
    parser.add_argument("--fix", action="store_true", help="apply the fixes that cannot change the meaning")
    parser.add_argument("--unsafe-fixes", action="store_true", help="apply all fixes")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and warnings")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is compiled, the same wherever a run.yaml is taken."""
    parser.add_argument("--graph", metavar="FILE", help="the graph, where run.yaml names none")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="override one key of run.yaml, as in limits.max_wall_ms=60000")  # fmt: skip


class Checked(NamedTuple):
    compilation: Compilation
    settings: Settings
    diagnostics: Sequence[Diagnostic]  # settled


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    with collector_off():
        code = _run(arguments, stdout, stderr)
        gc.freeze()  # the process is about to end: nobody need walk over all that was made
    return code


def _run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    try:
        arguments.files = [run_file(path) for path in arguments.files or [None]]
        problem = _misuse(arguments)
    except NoRunFile as error:
        problem = str(error)
    if problem:
        stderr.write(f"attractor compile: {problem}\n")
        return ExitCode.USAGE
    files = Disk()
    requests = requests_for(arguments.files, arguments.graph, arguments.overrides, files)
    checked = [check(request, files, strict=arguments.strict) for request in requests]
    if arguments.fix or arguments.unsafe_fixes:
        checked = [_fixed(request, each, arguments, stderr) for request, each in zip(requests, checked, strict=True)]
    code = report(checked, arguments.format, stdout, stderr, quiet=arguments.quiet)
    if arguments.check or code != ExitCode.OK:
        return code
    return _write_plan(checked[0], arguments, stdout, stderr)


def _misuse(arguments: argparse.Namespace) -> str:
    """Return what is wrong with the combination of arguments, "" when nothing is."""
    if arguments.check:
        if arguments.output is not None:
            return "--check writes nothing; drop it, or drop --output"
        if arguments.graph is not None and len(arguments.files) > 1:
            return "--graph goes with one run.yaml"
    elif len(arguments.files) > 1:
        return "one run.yaml at a time; several are for --check"
    elif is_graph(arguments.files[0]):
        return f"a plan needs a run.yaml; `attractor compile --check {arguments.files[0]}` checks a graph alone"
    elif arguments.output == "-" and arguments.format != "text":
        return "the plan and the diagnostics cannot both go to stdout; give --output a file"
    return ""


# What is compiled


def requests_for(paths: Sequence[str], graph: str | None, overrides: Sequence[str], files: Files) -> list[Request]:
    """Return one request per pipeline: a .dot file counts as its run.yaml's, where one names it."""
    requests = [Request(path, graph, overrides) for path in dict.fromkeys(paths) if not is_graph(path)]
    pairs = {
        files.real(named): path
        for path in dict.fromkeys(_run_candidates(paths, files))
        if (named := graph_named_by(path, files)) is not None
    }
    runs = {files.real(request.run) for request in requests if request.run}
    for path in dict.fromkeys(filter(is_graph, paths)):
        run_path = pairs.get(files.real(path))
        if run_path is None:
            requests.append(Request(None, path))
        elif files.real(run_path) not in runs:
            runs.add(files.real(run_path))
            requests.append(Request(run_path, None, overrides))
    return requests


def _run_candidates(paths: Sequence[str], files: Files) -> list[str]:
    """Return the run.yaml files that are given, and those beside the .dot files that are given."""
    graphs = [path for path in paths if is_graph(path)]
    if not graphs:
        return []
    given = [path for path in paths if not is_graph(path)]
    folders = dict.fromkeys(os.path.dirname(path) for path in graphs)
    return given + [
        os.path.join(folder, name) for folder in folders for name in files.names(folder) if name in RUN_NAMES
    ]


def check(request: Request, files: Files, *, strict: bool = False) -> Checked:
    """Compile `request` as far as its diagnostics, graded as the settings beside it say."""
    folder = os.path.dirname(request.run or request.graph or "")
    settings = load(folder, files)._replace(strict=strict)
    compilation = compile_pipeline(request, files, Bash())
    return Checked(compilation, settings, _settled(compilation, settings))


def _settled(compilation: Compilation, settings: Settings) -> list[Diagnostic]:
    return settle(compilation.diagnostics, settings, compilation.graphs, compilation.configs)


# What is written


def report(checked: Sequence[Checked], form: str, stdout: TextIO, stderr: TextIO, *, quiet: bool = False) -> int:
    """Show the diagnostics of all pipelines together; return the exit code they come to."""
    diagnostics = sorted_unique(found for each in checked for found in each.diagnostics)
    shown = [found for found in diagnostics if not (quiet and found.severity is Severity.INFO)]
    match form:
        case "json":
            from attractor.compiler.reporters.json import render_json

            stdout.write(render_json(diagnostics))
        case "sarif":
            from attractor.compiler.reporters.sarif import render_sarif

            stdout.write(render_sarif(shown, version()))
        case "github":
            from attractor.compiler.reporters.github import render_github

            stdout.write(render_github(shown))
        case _:
            from attractor.compiler.reporters.text import render_text, wants_colour

            stderr.write(render_text(shown, colour=wants_colour(stderr, os.environ)))
    if any(found.rule == "internal_error" for found in diagnostics):
        return ExitCode.USAGE
    return ExitCode.FINDINGS if any(fails(each.diagnostics, each.settings) for each in checked) else ExitCode.OK


def _write_plan(checked: Checked, arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    from attractor.compiler.emit import InvalidPlan, emit

    plan = plan_of(checked.compilation)
    try:
        written = emit(plan)
    except InvalidPlan as error:
        stderr.write(f"attractor compile: the compiler made a plan that is none: {error}\nplease report it\n")
        return ExitCode.USAGE
    path = arguments.output or os.path.join(os.path.dirname(arguments.files[0]), f"{plan['name']}.plan.json")
    if path == "-":
        write_bytes(stdout, written.content)
    elif problem := save(path, written.content, checked.compilation.archive.contents):
        stderr.write(f"attractor compile: {problem}\n")
        return ExitCode.USAGE
    if not arguments.quiet:
        asked = sum(1 for node in plan["nodes"] if node.get("llm") is not None)
        where = "stdout" if path == "-" else path
        asks = f"{asked} {'asks' if asked == 1 else 'ask'} a model"
        stderr.write(f"{where}: {len(plan['nodes'])} nodes, {asks}, {written.digest[:19]}\n")
    return ExitCode.OK


# Fixes


def _fixed(request: Request, checked: Checked, arguments: argparse.Namespace, stderr: TextIO) -> Checked:
    """Apply fixes to the files that were read, write those that changed, and return what is left."""
    from attractor.compiler.fixes import fix_until_stable

    archive = checked.compilation.archive
    sources = [*checked.compilation.graphs, *checked.compilation.configs]
    last = checked

    def check_again(texts: Mapping[str, str]) -> Sequence[Diagnostic]:
        nonlocal last
        changed = {path: text.encode() for path, text in texts.items() if text.encode() != archive.contents[path]}
        if changed or last is not checked:
            last = check(request, Overlay(changed), strict=arguments.strict)
        return last.diagnostics

    texts = {source.path: source.text for source in sources}
    fixed = fix_until_stable(texts, check_again, unsafe=arguments.unsafe_fixes)
    for path, text in fixed.texts.items():
        if text != texts[path]:
            problem = save(path, text.encode(), ())
            stderr.write(f"attractor compile: {problem}\n" if problem else f"fixed {path}\n")
    return check(request, Disk(), strict=arguments.strict) if fixed.applied else checked
