"""The parts that need no agent."""

import doctest
import itertools
import json
import os
import pathlib
import sys
import types

import pytest

import seqera_agent
from seqera_agent import _address, _belonging, _environment, _origins, _program, _token, _wire, errors


def given(environ, command=None):
    return _environment.given(environ, command)


def test_the_documented_order_holds_and_nothing_is_shown():
    both = {"SEQERA_ACCESS_TOKEN": "\tone\n", "TOWER_ACCESS_TOKEN": "two"}
    assert (given(both).secret, given(both).source) == ("one", "SEQERA_ACCESS_TOKEN")
    assert given({"SEQERA_ACCESS_TOKEN": " ", "TOWER_ACCESS_TOKEN": "two"}).secret == "two"
    assert given({}) is None
    assert "two" not in repr(given({"TOWER_ACCESS_TOKEN": "two"}))


@pytest.mark.parametrize("value", ["canary canary", "'canary", "$(canary)", "b\u00e4d", "bearer", "x" * 50000])
def test_what_is_no_plain_token_is_for_the_command_and_an_error_without_it(value):
    with pytest.raises(errors.BadRequest) as raised:
        given({"SEQERA_ACCESS_TOKEN": value, "TOWER_ACCESS_TOKEN": "t"})
    assert "SEQERA_ACCESS_TOKEN" in str(raised.value)
    assert "canary" not in str(raised.value)


def test_the_mark_of_exec_counts_for_its_own_token_alone():
    token = given({"SEQERA_ACCESS_TOKEN": "frozen"})
    mark = f"work:{_environment.sha256('frozen')}"
    assert _environment.exec_profile({"SEQERA_EXEC_TOKEN": mark}, token) == "work"
    for odd in ("", "work", ":", f":{_environment.sha256('frozen')}", f"work:{_environment.sha256('other')}"):
        assert _environment.exec_profile({"SEQERA_EXEC_TOKEN": odd}, token) is None


def of_environment(environ):
    found = given(environ)
    return _token.given(found, _belonging.endpoints(found, environ))


A, B = "https://a.test/api", "https://b.test/api"
TOWER, SEQERA = {"TOWER_ACCESS_TOKEN": "t"}, {"SEQERA_ACCESS_TOKEN": "t"}


@pytest.mark.parametrize(
    ("environ", "top", "own"),
    [
        (TOWER, "", None),
        (SEQERA, "", None),
        ({**TOWER, "TOWER_API_ENDPOINT": B}, "", B),
        ({**SEQERA, "TOWER_API_ENDPOINT": B}, "", B),
        ({**TOWER, "TOWER_API_ENDPOINT": B}, A, B),
        (SEQERA, A, A),
        ({**SEQERA, "SEQERA_AUTH_DOMAIN": A}, B, A),
        ({**SEQERA, "SEQERA_AUTH_DOMAIN": A, "TOWER_API_ENDPOINT": B}, "", A),
        ({**SEQERA, "TOWER_API_ENDPOINT": "https://api.cloud.seqera.io"}, "https://cloud.seqera.io/api", None),
        ({**TOWER, "TOWER_API_ENDPOINT": B, "SEQERA_AUTH_DOMAIN": A}, "", ""),
        ({**SEQERA, "SEQERA_API_ENDPOINT": B, "SEQERA_AUTH_DOMAIN": A}, "", ""),
        ({**SEQERA, "TOWER_API_ENDPOINT": B}, A, ""),
        ({**SEQERA, "TOWER_API_ENDPOINT": B, "TOWER_ACCESS_TOKEN": "another"}, "", ""),
    ],
)
def test_a_token_goes_to_its_own_platform_and_where_two_are_named_to_neither(tmp_path, environ, top, own):
    tmp_path.joinpath("config.json").write_text(f'{{"authDomain": "{top}"}}')
    token = of_environment({**environ, "SEQERA_CLI_CONFIG_DIR": str(tmp_path)})
    cloud = "https://cloud.seqera.io/api"
    goes = [url for url in (A, B, cloud) if _origins.may_go(token, f"{url}/orgs")]
    assert goes == ([cloud] if own is None else [url for url in (own,) if url])


def unpacked(words):
    pairs = (word.partition("*") for word in words.split(" "))
    return [letters for letters, _, times in pairs for _ in range(int(times or 1))]


def test_a_token_goes_where_the_command_would_send_it_whatever_is_set(tmp_path, table):
    config, file = tmp_path / "config.json", tmp_path / "token"
    names = [value["name"] for value in table["values"]]
    combinations = list(itertools.product(*(value["values"] for value in table["values"])))
    last = None
    for row in table["rows"]:
        words = unpacked(row["goes"])
        assert len(words) == len(combinations)
        for combination, expected in zip(combinations, words):
            environ = {**dict(zip(names, combination)), **row["token"], "SEQERA_CLI_CONFIG_DIR": str(tmp_path)}
            top = environ.pop("authDomain")
            if top != last:
                config.write_text(json.dumps({"authDomain": top}))
                last = top
            if "FILE" in environ:
                file.write_text(environ.pop("FILE"))
                environ["SEQERA_ACCESS_TOKEN_FILE"] = str(file)
            assert goes(environ, table) == expected, (row["token"], combination)


def goes(environ, table):
    try:
        token = of_environment(environ)
    except errors.Misconfigured:
        return "-"
    places = table["places"].items()
    return "".join(letter for letter, place in places if _origins.may_go(token, f"{place}/orgs")) or "-"


def test_an_address_is_read_as_the_command_reads_it(table):
    for typed, place in table["addresses"]["read"].items():
        scheme, host, port = _address.address(typed)
        shown = f"[{host}]" if ":" in host else host
        usual = port == _address.PORTS[scheme]
        assert f"{scheme}://{shown}" + ("" if usual else f":{port}") == place, typed
    for odd in table["addresses"]["refused"]:
        with pytest.raises(_address.OddAddress):
            _address.address(odd)


def test_where_the_configuration_lies_is_decided_as_the_command_does(tmp_path, table):
    for folder in ("home/.config/seqera-ai", "xdg/seqera-ai"):
        tmp_path.joinpath(folder).mkdir(parents=True)
        tmp_path.joinpath(folder, "config.json").write_text(f'{{"authDomain": "{B}"}}')
    home, xdg = str(tmp_path / "home"), str(tmp_path / "xdg")
    assert goes({**SEQERA, "HOME": home}, table) == "b"
    assert goes({**SEQERA, "HOME": str(tmp_path), "XDG_CONFIG_HOME": xdg}, table) == "b"
    assert goes({**SEQERA, "HOME": home, "XDG_CONFIG_HOME": "xdg"}, table) == "b", "a relative one does not count"
    assert goes({**SEQERA, "HOME": home, "XDG_CONFIG_HOME": str(tmp_path / "none")}, table) == "c"
    if sys.platform == "linux":
        assert goes({**SEQERA, "USERPROFILE": home}, table) == "c"
    for odd in ({"SEQERA_CLI_CONFIG_DIR": "home"}, {"HOME": "home"}, {"SEQERA_CLI_CONFIG_DIR": f"{home}\nx"}):
        with pytest.raises(errors.Misconfigured):
            of_environment({**SEQERA, "HOME": home, **odd})


def test_what_the_configuration_says_is_read_as_the_command_reads_it(tmp_path, table):
    path, environ = tmp_path / "config.json", {**SEQERA, "SEQERA_CLI_CONFIG_DIR": str(tmp_path)}
    domain = f'{{"authDomain": "{B}"}}'
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text(domain, encoding)
        assert goes(environ, table) == "b", encoding
    for silent in ("", " \n", "{}", '{"authDomain": null}', '{"authDomain": " "}', '{"other": 5}'):
        path.write_text(silent)
        assert goes(environ, table) == "c", silent
    for odd in ("[]", "5", f'"{B}"', "null", '{"authDomain": false}', '{"authDomain": 0}', '{"authDomain": []}', "{,}"):
        path.write_text(odd)
        with pytest.raises(errors.Misconfigured):
            of_environment(environ)
    path.write_bytes(b"\xffA")
    with pytest.raises(errors.Misconfigured):
        of_environment(environ)


@pytest.mark.skipif(os.name != "posix", reason="named pipes and devices")
def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path):
    path = tmp_path / "config.json"
    environ = {**SEQERA, "SEQERA_CLI_CONFIG_DIR": str(tmp_path)}
    for make in (lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero"), path.mkdir):
        make()
        with pytest.raises(errors.Misconfigured):
            of_environment(environ)
        with pytest.raises(errors.BadRequest):
            given({"SEQERA_ACCESS_TOKEN_FILE": str(path)})
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    path.write_text(" " * (1 << 20) + " ")
    with pytest.raises(errors.Misconfigured):
        of_environment(environ)
    path.unlink()
    tmp_path.joinpath("real").write_text(f'{{"authDomain": "{B}"}}')
    path.symlink_to("real")
    assert _origins.may_go(of_environment(environ), B), "people link it into place"


def test_a_file_that_cannot_be_read_is_an_error_and_not_cloud(tmp_path):
    tmp_path.joinpath("config.json").write_text("{")
    with pytest.raises(errors.Misconfigured):
        of_environment({**SEQERA, "SEQERA_CLI_CONFIG_DIR": str(tmp_path)})


def marked(*lines):
    return "\n".join(["eyJ.a-b_c==", "# seqera token file, kept by 'seqera token --write'", *lines, ""])


def test_a_file_says_where_its_token_may_go(tmp_path):
    file = tmp_path / "token"
    file.write_text(marked("authority=https://a.test/api", "api=https://api.a.test", "workspace=7", "moon=full"))
    environ = {
        "SEQERA_ACCESS_TOKEN_FILE": str(file),
        "SEQERA_ACCESS_TOKEN": "other",
        "TOWER_API_ENDPOINT": "https://b.test",
    }
    token = of_environment(environ)
    assert (token.secret, token.source, token.workspace_id) == ("eyJ.a-b_c==", "SEQERA_ACCESS_TOKEN_FILE", 7)
    assert _origins.may_go(token, "https://api.a.test/orgs")
    assert not _origins.may_go(token, "https://b.test/orgs")
    assert not _origins.may_go(token, "https://cloud.seqera.io/api")
    file.write_text(marked())
    token = of_environment(environ)
    assert not _origins.may_go(token, "https://b.test/orgs"), "what stands beside it is all that counts"
    file.write_text("plain\n")
    token = of_environment(environ)
    assert _origins.may_go(token, "https://b.test/orgs"), "a file that a person wrote is as a variable"


@pytest.mark.parametrize("content", [None, "", "\n\n", "canary canary\n", "canary\ncanary\n", marked("expires=canary")])
def test_a_file_that_cannot_be_used_is_an_error_and_never_passed_over(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(errors.BadRequest) as raised:
        given({"SEQERA_ACCESS_TOKEN_FILE": str(file), "SEQERA_ACCESS_TOKEN": "other"})
    assert str(file) in str(raised.value)
    assert "canary" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="a script stands for the command")
def test_what_stands_beside_a_token_that_the_command_has_read_counts_too(tmp_path):
    command, file = tmp_path / "seqera", tmp_path / "token"
    command.write_text("""#!/bin/sh\necho '{"access_token": "a|b", "source": "SEQERA_ACCESS_TOKEN_FILE"}'\n""")
    command.chmod(0o755)
    environ = {"SEQERA_ACCESS_TOKEN_FILE": str(file), "SEQERA_CLI_CONFIG_DIR": str(tmp_path)}
    cloud = "https://cloud.seqera.io/api"

    def goes(lines):
        file.write_text(f"a|b\n{lines}")
        found = given(environ, str(command))
        token = _token.given(found, _belonging.endpoints(found, environ))
        return [url for url in (A, B, cloud) if _origins.may_go(token, f"{url}/orgs")]

    mark = "# seqera token file\n"
    assert goes(f"{mark}authority={A}\napi={B}\n") == [A, B]
    assert goes(mark) == [], "a kept file that names no address is not Cloud's"
    assert goes(f"authority={A}\n") == [cloud], "what a person wrote is as a variable"


def test_a_token_in_a_file_that_has_expired_is_not_used(tmp_path):
    file = tmp_path / "token"
    file.write_text(marked("expires=2020-01-01T00:00:00Z"))
    with pytest.raises(errors.LoginExpired):
        given({"SEQERA_ACCESS_TOKEN_FILE": str(file)})
    file.write_text(marked("expires=2100-01-01T00:00:00Z"))
    assert given({"SEQERA_ACCESS_TOKEN_FILE": str(file)}).expires == 4102444800


def test_addresses_are_compared_as_origins():
    token = seqera_agent.Token("t", authority="https://a.test/api", api_url="https://api.a.test")
    for own in ("https://a.test", "HTTPS://A.test:443/x", "https://api.a.test/orgs?a=b", "https://a.test./x"):
        assert _origins.may_go(token, own), own
    for other in (
        "http://a.test",
        "https://a.test:444",
        "https://a.test.b.test",
        "https://a.test@b.test",
        "https://b.test/https://a.test",
        "https://xa.test",
        "/api",
        "",
        "https://[::1",
    ):
        assert not _origins.may_go(token, other), other


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_token_for_this_machine_goes_by_no_proxy(monkeypatch, name):
    here = "http://127.0.0.1:9"
    token = seqera_agent.Token("t", authority=here)
    put = {}
    client = types.SimpleNamespace(token=lambda **_: token)
    httpx, requests = pytest.importorskip("httpx"), pytest.importorskip("requests")
    from seqera_agent.httpx import SeqeraAuth as OfHttpx
    from seqera_agent.requests import SeqeraAuth as OfRequests

    def send(url):
        request = requests.Request("GET", url, auth=OfRequests(client=client)).prepare()
        put["requests"] = request.headers.get("Authorization")
        sent = next(OfHttpx(client=client).sync_auth_flow(httpx.Request("GET", url)))
        put["httpx"] = sent.headers.get("Authorization")

    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    send(here)
    assert put == {"requests": "Bearer t", "httpx": "Bearer t"}
    monkeypatch.setenv(name, "http://ada:canary@127.0.0.1:8")
    for auth in (
        lambda: requests.Request("GET", here, auth=OfRequests(client=client)).prepare(),
        lambda: next(OfHttpx(client=client).sync_auth_flow(httpx.Request("GET", here))),
    ):
        with pytest.raises(errors.Misconfigured) as raised:
            auth()
        assert "canary" not in str(raised.value)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    send(here)
    assert put == {"requests": "Bearer t", "httpx": "Bearer t"}


def test_a_token_goes_in_the_clear_to_this_machine_alone():
    for here in ("http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"):
        assert _origins.may_go(seqera_agent.Token("t", authority=here), f"{here}/orgs")
    assert not _origins.may_go(seqera_agent.Token("t", authority="http://a.test"), "http://a.test/orgs")


def test_both_hosts_of_cloud_are_one():
    cloud = seqera_agent.Token("t", authority="https://cloud.seqera.io/api")
    assert _origins.may_go(cloud, "https://api.cloud.seqera.io/orgs")
    environ = {"TOWER_ACCESS_TOKEN": "t"}
    assert _origins.may_go(of_environment(environ), "https://api.cloud.seqera.io/orgs")
    environ["TOWER_API_ENDPOINT"] = "https://a.test/api"
    token = of_environment(environ)
    assert not _origins.may_go(token, "https://api.cloud.seqera.io/orgs")
    assert _origins.may_go(token, "https://a.test/x")


def test_numbers_and_texts_survive_their_encoding():
    for seconds in (0, 0.5, 1, 127, 128, 300, 86400.25):
        decoded = _wire.decode(_wire.duration(1, seconds), {1: ("d", _wire._SECONDS)})
        assert decoded["d"].get("seconds", 0) + decoded["d"].get("nanos", 0) / 1e9 == seconds
    assert _wire.decode(_wire.text(300, "grün"), {300: ("t", "text")}) == {"t": "grün"}
    assert _wire.text(1, "") == b""


@pytest.mark.parametrize(
    "odd", [b"\x0a", b"\x0a\x05ab", b"\xff" * 11, b"\x08\x01", b"\x0b", b"\x0a\x01\xff", b"\x09ab"]
)
def test_bytes_that_are_no_message_are_an_error(odd):
    with pytest.raises(ValueError):
        _wire.decode(odd, {1: ("t", "text")})


def test_unknown_fields_are_passed_over():
    later = b"\x10\x05" + b"\x19" + b"x" * 8 + b"\x25" + b"y" * 4 + _wire.text(9, "z") + _wire.text(1, "a")
    assert _wire.decode(later, {1: ("t", "text")}) == {"t": "a"}


def test_every_reason_of_the_contract_has_a_class():
    contract = pathlib.Path(__file__).parents[3] / "proto/seqera/agent/v1/errors.proto"
    lines = (line.split() for line in contract.read_text().splitlines())
    reasons = {words[0][len("REASON_") :] for words in lines if words and words[0].startswith("REASON_")}
    plain = {"UNSPECIFIED", "LOGIN_TIMED_OUT", "FORBIDDEN", "INTERNAL", "IN_USE", "TOO_MANY", "SIGN_IN_ENDS_SOON"}
    assert "SIGNED_OUT" in reasons
    assert reasons - plain <= set(errors.KINDS)


def test_the_examples_in_the_documentation_are_python():
    for name in ("seqera_agent", "seqera_agent._client", "seqera_agent.aio"):
        __import__(name)
        assert doctest.testmod(sys.modules[name]).failed == 0


def test_the_version_is_that_of_the_whole():
    root = pathlib.Path(__file__).parents[3]
    version = f'version = "{seqera_agent.__version__}"'
    assert version in (root / "Cargo.toml").read_text()
    assert version in (root / "client/python/pyproject.toml").read_text()


def test_nothing_of_the_environment_is_kept():
    assert _environment.of_process() == dict(os.environ)


needs_owners = pytest.mark.skipif(os.name == "nt", reason="owners and modes are those of Unix")


def program(folder, text="#!/bin/sh\n"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "seqera"
    path.write_text(text)
    path.chmod(0o755)
    return path


def found_on(*folders):
    return _program.command({"PATH": os.pathsep.join(str(folder) for folder in folders)})


@needs_owners
def test_a_program_that_others_can_change_is_passed_over_and_named_if_there_is_no_other(tmp_path):
    base = pathlib.Path(os.path.realpath(tmp_path))
    good = program(base / "good")
    open_file, open_folder, below = (program(base / name) for name in ("file", "folder", "above/bin"))
    open_file.chmod(0o777)
    open_folder.parent.chmod(0o1777)
    below.parent.parent.chmod(0o777)
    link = base / "links" / "seqera"
    link.parent.mkdir()
    link.symlink_to(below)
    for odd, named in (
        (open_file, open_file),
        (open_folder, open_folder.parent),
        (below, base / "above"),
        (link, base / "above"),
    ):
        assert found_on(odd.parent, good.parent) == str(good)
        assert found_on(odd.parent) is None
        refused = _program.missing({"PATH": str(odd.parent)}, "none")
        assert refused.reason == "DISTRUSTED"
        assert f"{named} is not safe to use: everybody may write to it" in str(refused)
    assert _program.missing({"PATH": "/nowhere"}, "none").reason == "NO_AGENT"
    if os.getuid() == 0:
        os.chown(good, 12345, -1)
        assert found_on(good.parent) is None


@needs_owners
def test_neither_the_command_nor_its_interpreter_is_looked_for_in_the_current_folder(tmp_path, monkeypatch):
    here, good = tmp_path / "here", tmp_path / "good"
    for name in ("seqera", "node"):
        program(here).rename(here / name)
        (here / name).write_text("#!/bin/sh\necho planted\n")
    program(good, "#!/usr/bin/env node\n")
    monkeypatch.chdir(here)
    for relative in (".", "", "here"):
        environ = {"PATH": os.pathsep.join([relative, str(good), "/usr/bin", "/bin"]), "LEFT": "as it is"}
        assert _program.command(environ) == os.path.realpath(good / "seqera")
        given = _program.environment(environ)
        assert given == {"PATH": os.pathsep.join([str(good), "/usr/bin", "/bin"]), "LEFT": "as it is"}
    assert _program.environment({"PATH": ".:"}) == {}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to play a second user")
def test_a_token_that_anybody_could_have_put_there_is_not_used(tmp_path):
    shared, apart = tmp_path / "shared", tmp_path / "apart"
    for folder in (shared, apart):
        folder.mkdir()
        folder.joinpath("token").write_text("theirs")
        os.chown(folder / "token", 65534, 65534)
    shared.chmod(0o1777)
    (tmp_path / "link").symlink_to(shared / "token")
    (shared / "link").symlink_to(apart / "token")
    os.chown(shared / "link", 65534, 65534, follow_symlinks=False)
    for path in (shared / "token", tmp_path / "link", shared / "link"):
        with pytest.raises(errors.BadRequest, match="put there by uid 65534"):
            given({"SEQERA_ACCESS_TOKEN_FILE": str(path)})
    # In a container its owner has another number.
    assert given({"SEQERA_ACCESS_TOKEN_FILE": str(apart / "token")}).secret == "theirs"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become a second user")
def test_a_folder_of_path_that_cannot_be_looked_into_is_passed_over(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.seteuid(65534)
    try:
        assert _program.command({"PATH": str(closed)}) is None
    finally:
        os.seteuid(0)


@needs_owners
def test_a_configuration_that_everybody_can_change_says_nothing_about_a_token(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(f'{{"authDomain": "{A}"}}')
    environ = {**SEQERA, "SEQERA_CLI_CONFIG_DIR": str(tmp_path)}
    file.chmod(0o664)
    assert _origins.may_go(of_environment(environ), A)
    file.chmod(0o666)
    with pytest.raises(errors.Misconfigured):
        of_environment(environ)
