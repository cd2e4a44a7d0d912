"""What the unit's restrictions leave to a program: tries what an agent never needs, and prints what became of it."""

import ctypes
import errno
import mmap
import os
import resource
import socket
import stat
import sys

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def writable_code():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def namespace():
    call(libc.unshare, 0x10000000)  # CLONE_NEWUSER


def trace():
    call(libc.ptrace, 0, 0, 0, 0)  # PTRACE_TRACEME


def other_personality():
    call(libc.personality, 0x0008)  # PER_LINUX32


def realtime():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def set_user_id():
    path = os.path.join(os.environ["HOME"], "set-user-id")
    open(path, "w").close()
    os.chmod(path, stat.S_ISUID | 0o755)


def packets():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def module():
    call(libc.syscall, 175, 0, 0, b"")  # init_module


def mount():
    call(libc.mount, b"none", b"/mnt", b"tmpfs", 0, None)


def reboot():
    call(libc.reboot, 0)


def internet():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def local():
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()


def netlink():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()


NEVER = [writable_code, namespace, trace, other_personality, realtime, set_user_id, packets, module, mount, reboot]
ALWAYS = [internet, local, netlink]
# Other errors would say that the attempt came through, and failed for its own reasons.
DENIALS = [errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT]

with open(sys.argv[1], "w") as report:

    def tell(right, what):
        print("ok" if right else "WRONG", what, file=report)

    for attempt in NEVER + ALWAYS:
        try:
            attempt()
            outcome, denied = "done", False
        except OSError as error:
            outcome, denied = str(error), error.errno in DENIALS
        tell(denied == (attempt in NEVER), f"{attempt.__name__}: {outcome}")
    mask = os.umask(0)
    tell(mask == 0o077, f"umask {mask:03o}")
    tell(resource.getrlimit(resource.RLIMIT_CORE) == (0, 0), "no core file")
    for name in ["LD_PRELOAD", "HTTPS_PROXY", "SEQERA_ACCESS_TOKEN"]:
        tell(name not in os.environ, f"{name} is not there")
    print("end", file=report)
