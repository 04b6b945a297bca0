"""A process that leaves the network: it and its children see a loopback of their own, and nothing else sees them."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

from fallline.errors import FalllineError

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def leave_the_network() -> None:
    """Give this process a network of its own with a loopback only; FalllineError where the system does not let it.

    It must not have other threads yet. Files, also those of network file systems, are seen as before.
    """
    user, group = os.getuid(), os.getgid()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET if user == 0 else CLONE_NEWUSER | CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if user != 0:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))
    except (OSError, AttributeError) as failure:
        raise FalllineError(
            "Ray listens on every network interface of a machine, and this system does not let it be "
            f"shut in ({failure}). Start a Ray cluster yourself where that is safe, and give its "
            "--address"
        ) from None
