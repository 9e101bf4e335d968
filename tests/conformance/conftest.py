"""The behaviours that are promised by number: each of the 25 is a test with its number in its name.

Where the specification and the implementation that the list comes from differ, the specification is tested.
"""

from ..llm.conftest import simulator
from ..runtime_world.conftest import pipeline

__all__ = ["pipeline", "simulator"]
