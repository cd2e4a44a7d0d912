"""Whose a token of the environment is: the addresses that it may be sent to.

The rules are those of the command. `SEQERA_AUTH_DOMAIN` decides, else the endpoint that stands beside the token by the
custom of Nextflow and `tw`, else `config.json` and `SEQERA_PLATFORM_API_URL`. Where two of them name different
Platforms the token goes nowhere, and to Seqera Cloud only where nothing is named at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from . import _environment, errors
from ._origins import CLOUD, Origin, origin

#: The variables of Nextflow and `tw`, and those of the Python SDK: a token, and the API that it is for.
_TOWER = ("TOWER_ACCESS_TOKEN", "TOWER_API_ENDPOINT")
_SEQERA = ("SEQERA_ACCESS_TOKEN", "SEQERA_API_ENDPOINT")


def endpoints(token: _environment.Given, environ: Mapping[str, str]) -> Optional[tuple[str, ...]]:
    """Return the addresses for a token: none if it goes nowhere, `None` if nothing is named, which means Cloud.

    Raises:
        Misconfigured: `config.json` cannot be read, so that nobody knows.
    """
    beside = tuple(url for url in (token.authority, token.api_url) if url)
    if beside or token.is_marked:
        return beside
    is_tower = token.source == _TOWER[0]
    (_, own_name), (rival, other_name) = (_TOWER, _SEQERA) if is_tower else (_SEQERA, _TOWER)
    own, other = _environment.text(environ, own_name), _environment.text(environ, other_name)
    domain = _environment.text(environ, "SEQERA_AUTH_DOMAIN")
    api = _environment.text(environ, "SEQERA_PLATFORM_API_URL")
    named = tuple(url for url in (domain or _of_file(environ), api) if url)
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


def _origins(urls: tuple[str, ...]) -> set[Optional[Origin]]:
    found = {origin(url) for url in urls}
    return found | CLOUD if found & CLOUD else found


def _of_file(environ: Mapping[str, str]) -> str:
    """Return the authority at the top of `config.json`."""
    own, xdg = (_environment.text(environ, name) for name in ("SEQERA_CLI_CONFIG_DIR", "XDG_CONFIG_HOME"))
    home = _environment.text(environ, "HOME") or _environment.text(environ, "USERPROFILE")
    if own:
        path = Path(own)
    elif xdg and Path(xdg).is_absolute():
        path = Path(xdg, "seqera-ai")
    elif home:
        path = Path(home, ".config", "seqera-ai")
    else:
        return ""
    path = path / "config.json"
    try:
        text = path.read_text("utf-8-sig").strip()
        domain = json.loads(text or "{}").get("authDomain", "")
        if isinstance(domain, str):
            return domain.strip()
        why = "'authDomain' must be text"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError, AttributeError):
        why = "it cannot be read"
    hint = "correct the file or move it away"
    raise errors.of_reason("MISCONFIGURED", f"{path}: {why}", hint)
