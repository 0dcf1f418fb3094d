"""An engine whose servers live in the test's own process: what `up` and its kin do is tested on it in milliseconds."""

from support.memory.engine import MemoryEngine
from support.memory.platform import Platform, platform_of

__all__ = ["MemoryEngine", "Platform", "platform_of"]
