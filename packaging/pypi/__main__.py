"""``seqera-agent-cli link`` and ``unlink``; anything else goes to the program ``seqera``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import FOLDER, program

NAMES = ("seqera", "seqera-agent")


def fail(message: str, hint: str) -> int:
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)
    return 1


def places() -> list:
    """Each program, and where the command for it belongs: beside this one."""
    called = Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()
    folder = called.parent if called.name.startswith("seqera-agent-cli") else Path(sys.executable).parent
    ending = ".cmd" if os.name == "nt" else ""
    return [(program(name), folder / (name + ending)) for name in NAMES]


def is_ours(command: Path) -> bool:
    if command.is_symlink():
        return Path(os.path.realpath(command)).parent == FOLDER.resolve() or "seqera_agent_cli" in os.readlink(command)
    return os.name == "nt" and command.is_file() and "seqera_agent_cli" in command.read_text(errors="replace")


def link() -> int:
    for _, command in places():
        if os.path.lexists(command) and not is_ours(command):
            return fail(f"{command} is another program's; nothing was changed",
                        "install into an environment of its own: pipx install seqera-agent-cli")
    for target, command in places():
        try:
            if os.path.lexists(command):
                command.unlink()
            if os.name == "nt":
                command.write_text(f'@"{target}" %*\r\n')
            else:
                command.symlink_to(target)
        except OSError as error:
            return fail(f"{command} cannot be made: {error}", "check who may write there")
        print(command)
    first = shutil.which("seqera")
    own = str(places()[0][1])
    if first != own:
        print(f"warning: 'seqera' is {first or 'not on PATH'}; this one is {own}", file=sys.stderr)
    return 0


def unlink(*force: str) -> int:
    stopped = subprocess.run([str(program()), "agent", "stop", *force], check=False).returncode == 0
    if not stopped and not force:
        return fail("the agent cannot be stopped, so nothing was removed",
                    "sign out first (seqera logout --all), or lose what only the agent knows: unlink --force")
    for _, command in places():
        if os.path.lexists(command) and is_ours(command):
            command.unlink()
            print(f"removed: {command}")
    return 0


def main() -> int:
    own = {"link": link, "unlink": unlink, "unlink --force": lambda: unlink("--force")}.get(" ".join(sys.argv[1:]))
    if own:
        return own()
    if os.name == "nt":
        return subprocess.run([str(program()), *sys.argv[1:]], check=False).returncode
    os.execv(program(), ["seqera", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
