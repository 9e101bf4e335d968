"""Compile and run the quickstart in a scratch copy: what a newcomer sees first.

Works offline and touches nothing outside build/demo/.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SCRATCH = HERE.parents[1] / "build" / "demo" / "quickstart"
ATTRACTOR = Path(sys.executable).with_name("attractor")


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(SCRATCH, ignore_errors=True)
    project = SCRATCH / "project"
    shutil.copytree(HERE, project, ignore=shutil.ignore_patterns("demo.py", "__pycache__", "*.plan.json"))
    _git(project, "init", "--quiet", "--initial-branch=main")
    _git(project, "add", "--all")
    _git(project, "commit", "--quiet", "--message", "A small project with a failing test")

    for line in (
        "compile run.yaml",
        "exec quickstart.plan.json --run-dir ../run",
        "audit ../run",
        "report ../run",
    ):
        code = _attractor(project, line)
        if code != 0:
            return code
    print(f"\nDone in {time.monotonic() - started:.1f} s. Look around:")
    for what, command in (
        ("what the plan holds", "less build/demo/quickstart/project/quickstart.plan.json"),
        ("where a value came from", ".venv/bin/attractor explain build/demo/quickstart/project/quickstart.plan.json implement"),
        ("the run as a page", "build/demo/quickstart/run/report.html"),
        ("what the run left behind", "ls build/demo/quickstart/run"),
        ("the work, a commit per node", "git -C build/demo/quickstart/run/worktree log --oneline"),
    ):
        print(f"  {what:<28} {command}")
    return 0


def _attractor(folder: Path, arguments: str) -> int:
    print(f"\n$ attractor {arguments}", flush=True)
    return subprocess.run([ATTRACTOR, *arguments.split()], cwd=folder, check=False).returncode


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Attractor demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


if __name__ == "__main__":
    sys.exit(main())
