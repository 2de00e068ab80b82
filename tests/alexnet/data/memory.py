"""The memory of a process."""

import re


def peak_bytes() -> int:
    """The most memory that this process has held since its program began (Linux). The ru_maxrss of
    a new process begins with its parent's."""
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) << 10
