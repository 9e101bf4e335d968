"""Compile demo/rogue and walk its scenarios with simulated models and tools: nothing is paid, nothing is built."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRATCH = HERE.parents[1] / "build" / "demo" / "rogue"
ATTRACTOR = Path(sys.executable).with_name("attractor")

# scenario -> the exit code it must end with
SCENARIOS = {"all_green": 0, "toolchain_missing": 1, "check_fails_twice": 0, "transient_restart": 0}


def main() -> int:
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    for name in ("rogue.dot", "run.yaml"):
        shutil.copy(HERE / name, SCRATCH / name)
    shutil.copytree(HERE / "scenarios", SCRATCH / "scenarios")
    _git("init", "--quiet", "--initial-branch=main")
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "The original, as far as this rehearsal needs it")
    if _attractor("compile", "--strict", "run.yaml") != 0:
        return 1
    wrong = [
        name
        for name, expected in SCENARIOS.items()
        if _attractor("exec", "rogue.plan.json", f"--simulate=scenarios/{name}.yaml", "--run-dir", f"runs/{name}", "--quiet")
        != expected
        or not _is_as_planned(f"runs/{name}")
    ]
    print(f"\n{len(SCENARIOS) - len(wrong)} of {len(SCENARIOS)} scenarios ended as they should" + "".join(f"; not {name}" for name in wrong))
    return 1 if wrong else 0


def _attractor(*arguments: str) -> int:
    print(f"\n$ attractor {' '.join(arguments)}", flush=True)
    return subprocess.run([ATTRACTOR, *arguments], cwd=SCRATCH, check=False).returncode


def _is_as_planned(run: str) -> bool:
    """Hold what the run left behind against its plan; print the last line, all of them when something deviates."""
    print(f"$ attractor audit {run}", flush=True)
    audit = subprocess.run([ATTRACTOR, "audit", run], cwd=SCRATCH, check=False, capture_output=True, text=True)
    print(audit.stdout.splitlines()[-1] if audit.returncode == 0 else audit.stdout + audit.stderr)
    return audit.returncode == 0


def _git(*arguments: str) -> None:
    identity = ("-c", "user.name=Attractor demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=SCRATCH, check=True)


if __name__ == "__main__":
    sys.exit(main())
