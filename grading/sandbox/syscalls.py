"""A filter of system calls, in the kernel's own little language (classic BPF).

A student's code may start threads and no process, so that the limits of its one
process bind it whole, for root as for anybody. Bubblewrap loads the filter.
"""

import platform
import struct

LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026  # fine, EPERM, ENOSYS
MACHINES = {  # its number, clone, clone3, and what starts processes or new walls
    "x86_64": (0xC000003E, 56, 435, (57, 58, 272)),  # fork, vfork, unshare
    "aarch64": (0xC00000B7, 220, 435, (97,)),  # unshare; there is no fork
}
CLONE_THREAD = 0x00010000


def forbidden_calls():
    """Return the filter: threads may be started, processes not. Empty: none known."""
    if platform.machine() not in MACHINES:
        return b""
    machine, clone, clone3, others = MACHINES[platform.machine()]
    body = [(EQUAL, number, "refuse") for number in others]
    rules = [
        (LOAD, 4, None),
        (EQUAL, machine, "next"),
        (RETURN, REFUSE, None),
        (LOAD, 0, None),
        (AT_LEAST, 0x40000000, "refuse"),  # the other numbering of x86
        (EQUAL, clone3, "unknown"),  # then the C library calls clone
        *body,
        (EQUAL, clone, "next"),
        (RETURN, ALLOW, None),
        (LOAD, 16, None),  # the flags of clone
        (ANY_BIT, CLONE_THREAD, "allow"),
        (RETURN, REFUSE, None),
        (RETURN, UNKNOWN, None),
        (RETURN, ALLOW, None),
    ]
    places = {"refuse": len(rules) - 3, "unknown": len(rules) - 2}
    places["allow"] = len(rules) - 1
    return b"".join(
        struct.pack("=HBBI", code, jump(target, at, places), 0, value)
        for at, (code, value, target) in enumerate(rules)
    )


def jump(target, at, places):
    """Return how many rules to leave out where a test holds; the next one is one."""
    if target is None:
        return 0
    return 1 if target == "next" else places[target] - at - 1
