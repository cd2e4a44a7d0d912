"""The programs seqera and seqera-agent, as files of this package.

The command is put on PATH by ``seqera-agent-cli link``, because pip replaces the ``seqera`` of another package
without a word.
"""

from pathlib import Path
import os

FOLDER = Path(__file__).parent / "bin"


def program(name: str = "seqera") -> Path:
    """The path of ``seqera`` or ``seqera-agent``."""
    return FOLDER / (f"{name}.exe" if os.name == "nt" else name)
