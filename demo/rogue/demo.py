"""demo/rogue twice: its scenarios, simulated; then the whole of it over HTTP, against local providers.

The second part is a real run: preflight, agents with tools, worktrees for the ports, failover, a restart. Only the
models and three build tools are stand-ins. Nothing is paid, and nothing outside build/demo is touched.

usage: demo.py [VALIDATION.md]   - where to write the page of checks and residual risks of the second part
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import providers

HERE = Path(__file__).parent
SCRATCH = HERE.parents[1] / "build" / "demo" / "rogue"
ATTRACTOR = Path(sys.executable).with_name("attractor")

# scenario -> the exit code it must end with
SCENARIOS = {"all_green": 0, "toolchain_missing": 1, "check_fails_twice": 0, "transient_restart": 0}


def main() -> int:
    _lay_out()
    wrong = compile_strictly() or rehearse() or run_over_http()
    if wrong:
        print(f"\n{wrong}", file=sys.stderr)
        return 1
    print("\nEverything ended as it should. Look around:")
    print("  what happened, as a page       build/demo/rogue/runs/http/report.html")
    print("  what each stage was asked      less build/demo/rogue/runs/http/stages/*/*/prompt.md")
    print("  the work, a commit per node    git -C build/demo/rogue log --oneline --graph --all")
    return 0


def compile_strictly() -> str:
    return "demo/rogue does not compile" if _attractor("compile", "--strict", "run.yaml") != 0 else ""


def rehearse() -> str:
    """Walk the scenarios with simulated models and tools; return what was wrong."""
    wrong = [
        name
        for name, expected in SCENARIOS.items()
        if _attractor("exec", "rogue.plan.json", f"--simulate=scenarios/{name}.yaml", "--run-dir", f"runs/{name}", "--quiet")
        != expected
        or not _is_as_planned(f"runs/{name}")
    ]
    return f"scenarios that did not end as they should: {', '.join(wrong)}" if wrong else ""


def run_over_http() -> str:
    """Run the pipeline against providers on this machine, then audit the run; return what was wrong."""
    scenario, record = SCRATCH / "providers.json", SCRATCH / "requests.ndjson"
    scenario.write_text(json.dumps(providers.scenario(), indent=1))
    command = [ATTRACTOR, "simulate-provider", "--scenario", scenario, "--record", record]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            return _run(url)
        finally:
            server.terminate()


def _run(url: str) -> str:
    settings = {
        "llm.providers.kimi.api.base_url": f"{url}/kimi",
        "llm.providers.zai.api.base_url": f"{url}/zai",
        "runtime_policy.llm_backoff.base_ms": "10",
    }
    overrides = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    environment = {
        **os.environ,
        "PATH": f"{SCRATCH / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "CARGO_HOME": str(SCRATCH / "cargo"),
        "KIMI_API_KEY": "rehearsal-key-of-kimi",
        "ZAI_API_KEY": "rehearsal-key-of-zai",
    }
    steps = (
        ("compile", "run.yaml", *overrides),
        ("exec", "rogue.plan.json", "--run-dir", "runs/http"),
        ("audit", "runs/http"),
        ("report", "runs/http", *(("--validation", str(Path(sys.argv[1]).resolve())) if sys.argv[1:] else ())),
    )
    for step in steps:
        if _attractor(*step, environment=environment) != 0:
            return f"attractor {step[0]} failed"
    return ""


def _lay_out() -> None:
    """Make a repository of what the pipeline works on."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    shutil.copytree(HERE, SCRATCH, ignore=shutil.ignore_patterns("*.py", "__pycache__", "*.plan.json"))
    (SCRATCH / ".gitignore").write_text("*.plan.json\nruns/\ncargo/\nproviders.json\nrequests.ndjson\n")
    _git("init", "--quiet", "--initial-branch=main")
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "The original, as far as this rehearsal needs it")


def _attractor(*arguments: str, environment: Mapping[str, str] | None = None) -> int:
    print(f"\n$ attractor {' '.join(arguments)}", flush=True)
    return subprocess.run([ATTRACTOR, *arguments], cwd=SCRATCH, env=environment, check=False).returncode


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
