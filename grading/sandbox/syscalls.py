"""A filter of system calls, in the kernel's own little language (classic BPF).

A student's code may start threads and no process, so that the limits of its one
process bind it whole, for root as for anybody; and it meets no other sandbox.
Bubblewrap loads the filter.
"""

import platform
import struct

LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026  # fine, EPERM, ENOSYS
# Where two sandboxes of one user would meet (keys, System V memory, other processes),
# what memory limits do not count (memfd, shared memory), and doors to the kernel that
# no exercise needs: their numbers on x86_64 and on aarch64.
CLOSED = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}
MACHINES = {  # its number, clone, clone3, socket, and fork, vfork where they are
    "x86_64": (0xC000003E, 56, 435, 41, (57, 58)),
    "aarch64": (0xC00000B7, 220, 435, 198, ()),
}
FAMILIES = (1, 2, 10)  # of sockets: Unix, and the two internets, which lead nowhere
CLONE_THREAD = 0x00010000


def forbidden_calls():
    """Return the filter: threads may be started, processes not. Empty: none known."""
    if platform.machine() not in MACHINES:
        return b""
    machine, clone, clone3, socket, forks = MACHINES[platform.machine()]
    place = [*MACHINES].index(platform.machine())
    others = [*forks, *(numbers[place] for numbers in CLOSED.values())]
    rules = [
        (LOAD, 4, None),
        (EQUAL, machine, "next"),
        (RETURN, REFUSE, None),
        (LOAD, 0, None),
        (AT_LEAST, 0x40000000, "refuse"),  # the other numbering of x86
        (EQUAL, clone3, "unknown"),  # then the C library calls clone
        *((EQUAL, number, "refuse") for number in others),
        (EQUAL, socket, "socket"),
        (EQUAL, clone, "next"),
        (RETURN, ALLOW, None),
        (LOAD, 16, None),  # the flags of clone
        (ANY_BIT, CLONE_THREAD, "allow"),
        (RETURN, REFUSE, None),
    ]
    places = {"socket": len(rules)}
    rules.append((LOAD, 16, None))  # the family of a socket
    rules += [(EQUAL, family, "allow") for family in FAMILIES]
    for name, verdict in (("refuse", REFUSE), ("unknown", UNKNOWN), ("allow", ALLOW)):
        places[name] = len(rules)
        rules.append((RETURN, verdict, None))
    return b"".join(
        struct.pack("=HBBI", code, jump(target, at, places), 0, value)
        for at, (code, value, target) in enumerate(rules)
    )


def jump(target, at, places):
    """Return how many rules to leave out where a test holds; the next one is one."""
    if target is None:
        return 0
    return 1 if target == "next" else places[target] - at - 1
