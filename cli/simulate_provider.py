"""Serve the four protocols of providers on 127.0.0.1, until SIGINT or SIGTERM:
for tests without keys and without the network.

Without --scenario every request gets a fixed text. A scenario can answer with
texts, tool calls in every shape seen in the wild, errors, and broken streams;
`attractor schema simulator` is its format. GET /_simulator/requests returns
what was asked, with the keys hidden.

examples:
  attractor simulate-provider
  attractor simulate-provider --scenario overload.yaml --port 8089

exit codes: 0 stopped by a signal; 2 the scenario is wrong, or the port or the
record cannot be had
"""

import argparse
import signal
import threading
from pathlib import Path
from typing import TextIO

from attractor.runtime.simulator.server import Simulator

from .main import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", metavar="FILE", help="what to answer: YAML or JSON")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="default: any free port")
    parser.add_argument("--record", metavar="FILE", help="write each request as a line of JSON")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    scenario = None
    if arguments.scenario is not None:
        from .scenario import read_document

        scenario = read_document(arguments.scenario, "simulator", stderr)
        if scenario is None:
            return ExitCode.USAGE
    try:
        record = None if arguments.record is None else Path(arguments.record)
        simulator = Simulator(scenario, port=arguments.port, record=record)
    except OSError as error:
        stderr.write(f"attractor simulate-provider: cannot begin: {(error.strerror or str(error)).lower()}\n")
        return ExitCode.USAGE
    _serve(simulator, stdout)
    for bug in simulator.bugs:
        stderr.write(f"attractor simulate-provider: internal error: {type(bug).__name__}: {bug}\n")
    return ExitCode.USAGE if simulator.bugs else ExitCode.OK


def _serve(simulator: Simulator, stdout: TextIO) -> None:
    """Serve until a signal, then put the signals back as they were."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with simulator:
            stdout.write(_hint(simulator.url))
            stdout.flush()
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hint(url: str) -> str:
    """Return the address alone on a line, then the line that sends a provider's requests to it."""
    return f'{url}\nllm: {{providers: {{anthropic: {{backend: api, api: {{base_url: "{url}"}}}}}}}}  # for run.yaml\n'
