"""Whose a token of the environment is: the addresses that it may be sent to.

The rules are those of the command. `SEQERA_AUTH_DOMAIN` decides, else the endpoint that stands beside the token by the
custom of Nextflow and `tw`, else `config.json` and `SEQERA_PLATFORM_API_URL`. Where two of them name different
Platforms the token goes nowhere, and to Seqera Cloud only where nothing is named at all.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from . import _environment, _files, errors
from ._address import OddAddress, Origin, address, is_safe
from ._origins import CLOUD

#: The variables of Nextflow and `tw`, and those of the Python SDK: a token, and the API that it is for.
_TOWER = ("TOWER_ACCESS_TOKEN", "TOWER_API_ENDPOINT")
_SEQERA = ("SEQERA_ACCESS_TOKEN", "SEQERA_API_ENDPOINT")

_LARGEST = 1 << 20


def endpoints(token: _environment.Given, environ: Mapping[str, str]) -> Optional[tuple[str, ...]]:
    """Return the addresses for a token: none if it goes nowhere, `None` if nothing is named, which means Cloud.

    Raises:
        Misconfigured: `config.json` or a variable cannot be used, so that nobody knows. As if it were not set, the
            token would be another account's.
    """
    domain = _address(environ, "SEQERA_AUTH_DOMAIN")
    api = _address(environ, "SEQERA_PLATFORM_API_URL")
    top = _of_file(environ)
    authority = domain or top or api
    beside = tuple(url for url in (token.authority, token.api_url) if url)
    # What stands in a kept file is all that counts, beside the word that is meant for it.
    if beside or (token.is_marked and not domain):
        return beside
    is_tower = token.source == _TOWER[0]
    (_, own_name), (rival, other_name) = (_TOWER, _SEQERA) if is_tower else (_SEQERA, _TOWER)
    own, other = _address(environ, own_name), _address(environ, other_name)
    # One that others could read along is not taken for the API of an authority.
    named = tuple(url for url in (authority, api if api and is_safe(address(api)) else "") if url)
    if not named:
        if not own and other and _environment.text(environ, rival) not in ("", token.secret):
            return ()
        return tuple(url for url in (own or other,) if url) or None
    if own and not _is_among(own, named):
        return (own,) if is_tower and not domain else ()
    if other and not own and not domain and not _is_among(other, named):
        return ()
    return named


def _is_among(url: str, named: tuple[str, ...]) -> bool:
    return bool(_origins((url,)) & _origins(named))


def _origins(urls: tuple[str, ...]) -> set[Origin]:
    found = {address(url) for url in urls}
    return found | CLOUD if found & CLOUD else found


def _address(environ: Mapping[str, str], name: str) -> str:
    """Return the address in a variable; empty if there is none."""
    text = _environment.text(environ, name)
    try:
        if text:
            address(text)
    except OddAddress as odd:
        hint = "it must look like https://platform.example.com/api"
        raise errors.of_reason("MISCONFIGURED", f"the address in {name} {odd}", hint) from None
    return text


def _folder(environ: Mapping[str, str]) -> Optional[Path]:
    """Return the folder of `config.json`, as the command finds it."""

    def path(name: str) -> Optional[Path]:
        text = _environment.text(environ, name)
        if not text or (Path(text).is_absolute() and text.isprintable()):
            return Path(text) if text else None
        hint = "set it to the whole path, or unset it"
        raise errors.of_reason("MISCONFIGURED", f"{name} must be an absolute path", hint)

    home = path("USERPROFILE" if os.name == "nt" else "HOME")
    own = path("SEQERA_CLI_CONFIG_DIR")
    if own is not None:
        return own
    # The XDG specification says to ignore a relative path.
    xdg = _environment.text(environ, "XDG_CONFIG_HOME")
    if Path(xdg).is_absolute() and xdg.isprintable():
        return Path(xdg, "seqera-ai")
    if home is None and sys.platform == "darwin":
        import pwd

        # macOS alone knows the home of a process without a variable for it.
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    return None if home is None else home / ".config" / "seqera-ai"


def _of_file(environ: Mapping[str, str]) -> str:
    """Return the authority at the top of `config.json`."""
    folder = _folder(environ)
    if folder is None:
        return ""
    path = folder / "config.json"
    try:
        text = _files.text(_files.read(path, _LARGEST, own=True)).strip()
        domain = json.loads(text or "{}").get("authDomain")
        if domain is None:
            return ""
        if isinstance(domain, str):
            if domain.strip():
                address(domain)
            return domain.strip()
        why = "'authDomain' must be text"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OddAddress as odd:
        why = f"'authDomain' must be an address; it {odd}"
    except _files.NoFile as error:
        why = str(error)
    except (OSError, ValueError, AttributeError):
        why = "it cannot be read"
    hint = "correct the file or move it away"
    raise errors.of_reason("MISCONFIGURED", f"{path}: {why}", hint)
