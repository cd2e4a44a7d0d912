"""What a call makes of each thing that an agent can do, blocking and asynchronous alike."""

import asyncio
import base64
import os
import pickle
import threading
from pathlib import Path

import fake
import pytest

import seqera_agent
from seqera_agent import _wire, errors


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """Calls a method of a client, in both ways."""

    def call(method, *args, **options):
        client_options = {name: options.pop(name) for name in ("profile", "deadline") if name in options}
        if request.param == "sync":
            return getattr(seqera_agent.Client(**client_options), method)(*args, **options)
        return asyncio.run(getattr(seqera_agent.AsyncClient(**client_options), method)(*args, **options))

    return call


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """Starts a fake that plays the given parts, which the environment names."""
    tmp_path.chmod(0o700)
    started = []

    def start(*parts):
        started.append(fake.Agent(tmp_path, *parts))
        monkeypatch.setenv("SEQERA_AGENT_SOCK", started[-1].path)
        return started[-1]

    for name in list(os.environ):
        if name.startswith(("SEQERA_", "TOWER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))
    yield start
    for one in started:
        one.close()


def details(reason, hint="", seconds=None, domain="agent.seqera.io"):
    """google.rpc.Status with ErrorInfo and RetryInfo, as it stands in the header."""

    def any_of(kind, value):
        return _wire._delimited(3, _wire.text(1, f"type.googleapis.com/google.rpc.{kind}") + _wire._delimited(2, value))

    entry = _wire._delimited(3, _wire.text(1, "hint") + _wire.text(2, hint))
    status = any_of("ErrorInfo", _wire.text(1, reason) + _wire.text(2, domain) + entry)
    if seconds is not None:
        status += any_of("RetryInfo", _wire.duration(1, seconds))
    return base64.b64encode(status).decode().rstrip("=")


def test_a_token_comes_with_what_is_known_of_it_and_is_not_shown(agent, ask):
    running = agent(fake.answers(fake.token("canary")))
    token = ask("token", profile="work", min_valid=1.5)
    assert (token.secret, str(token), token.header) == ("canary", "canary", "Bearer canary")
    assert token.profile == "work"
    assert "canary" not in repr(token)
    headers = running.requests[0]
    assert headers[":authority"] == "localhost"
    assert headers[":path"] == "/seqera.agent.v1.Tokens/GetAccessToken"
    assert 0 < int(headers["grpc-timeout"].rstrip("m")) <= 30000


def test_an_answer_may_arrive_in_pieces(agent, ask):
    agent(fake.in_bytes(fake.token("x" * 5000)))
    assert ask("token", profile="work").secret == "x" * 5000


def test_an_agent_that_stops_still_answers(agent, ask):
    running = agent(fake.stops(fake.answers(fake.token())))
    assert ask("token", profile="work").secret == "secret"
    assert len(running.requests) == 1


def test_a_refusal_is_its_class_with_hint_and_delay(agent, ask):
    agent(fake.refuses("16", "signed%20out", details("SIGNED_OUT", "run 'seqera login'", 1.5)))
    with pytest.raises(errors.SignedOut) as raised:
        ask("token", profile="work")
    error = raised.value
    assert isinstance(error, errors.NotSignedIn)
    assert (error.reason, error.message, error.hint) == ("SIGNED_OUT", "signed out", "run 'seqera login'")
    assert error.retry_after == 1.5
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.hint, again.retry_after) == (type(error), error.hint, error.retry_after)


def test_a_reason_of_a_later_agent_keeps_its_name(agent, ask):
    agent(fake.refuses("9", "moon", details("MOON_PHASE")))
    with pytest.raises(errors.AgentError) as raised:
        ask("token", profile="work")
    assert (type(raised.value), raised.value.reason, raised.value.hint) == (errors.AgentError, "MOON_PHASE", None)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (fake.refuses("12", "no such call"), errors.NotUnderstood),
        (fake.refuses("16", "x", details("SIGNED_OUT", domain="example.org")), errors.NotUnderstood),
        (fake.refuses("16", "x", "AAAA"), errors.NotUnderstood),
        (fake.refuses("4", "late"), errors.TimedOut),
        (fake.answers(b"\xff\xff\xff"), errors.NotUnderstood),
        (fake.answers(None), errors.NotUnderstood),
        (fake.resets, errors.NotUnderstood),
        (fake.talks_nonsense, errors.NotUnderstood),
    ],
)
def test_what_makes_no_sense_is_not_asked_again(agent, ask, part, kind):
    running = agent(part)
    with pytest.raises(kind):
        ask("token", profile="work")
    assert len(running.requests) == 1


@pytest.mark.parametrize("part", [fake.hangs_up, fake.refuses("14", "stopping"), fake.goes_away])
def test_a_lost_connection_is_made_again_until_the_deadline(agent, ask, part):
    running = agent(part, part, fake.answers(fake.token()))
    assert ask("token", profile="work").secret == "secret"
    assert len(running.requests) == 3
    running._parts = [part]
    with pytest.raises(errors.ConnectionLost):
        ask("token", profile="work", timeout=0.3)


def test_an_agent_that_is_silent_is_said_to_be(agent, ask):
    agent(fake.says_nothing)
    with pytest.raises(errors.AgentUnreachable) as raised:
        ask("token", profile="work", timeout=0.1)
    assert raised.value.reason == "AGENT_SILENT"


def test_many_threads_share_the_turns_of_the_process(agent):
    running = agent(fake.answers(fake.token()))
    client, seen = seqera_agent.Client("work"), []
    threads = [threading.Thread(target=lambda: seen.append(client.token().secret)) for _ in range(150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["secret"] * 150
    assert len(running.requests) == 150


def test_many_tasks_and_several_event_loops_may_use_one_client(agent):
    agent(fake.answers(fake.token()))
    client = seqera_agent.AsyncClient("work")

    async def many():
        return await asyncio.gather(*(client.token() for _ in range(100)))

    for _ in range(2):
        assert {token.secret for token in asyncio.run(many())} == {"secret"}


def descriptors():
    return len(list(Path("/dev/fd").iterdir()))


def test_a_call_that_is_cancelled_leaves_nothing_open(agent):
    agent(fake.says_nothing)

    async def cancelled():
        task = asyncio.create_task(seqera_agent.AsyncClient("work").token())
        await asyncio.sleep(0.1)
        before = descriptors()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        return descriptors() < before

    assert asyncio.run(cancelled())


def test_a_folder_that_is_not_ones_own_alone_is_not_used(agent, ask, tmp_path):
    running = agent(fake.answers(fake.token()))
    tmp_path.chmod(0o770)
    with pytest.raises(errors.Distrusted, match="0770"):
        ask("token", profile="work")
    tmp_path.chmod(0o700)
    assert running.requests == []


def test_a_sandbox_that_refuses_sockets_is_named_with_what_helps(agent, monkeypatch):
    agent(fake.answers(fake.token()))

    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("seqera_agent._place.socket.socket", refused)
    with pytest.raises(errors.AgentUnreachable, match="--write FILE") as raised:
        seqera_agent.Client("work").token()
    assert raised.value.reason == "SANDBOXED"


def test_a_server_of_another_user_gets_nothing(agent, ask, monkeypatch):
    running = agent(fake.answers(fake.token()))
    real = os.getuid()
    monkeypatch.setattr("seqera_agent._place.peer_uid", lambda _: real + 1)
    with pytest.raises(errors.Distrusted, match="another user"):
        ask("token", profile="work")
    assert running.requests == []


@pytest.mark.parametrize("odd", [{"min_valid": -1}, {"min_valid": float("nan")}, {"min_valid": float("inf")}])
def test_a_length_of_time_that_is_none_is_an_error(agent, ask, odd):
    agent(fake.answers(fake.token()))
    with pytest.raises(ValueError, match="min_valid"):
        ask("token", profile="work", **odd)


def test_a_deadline_that_is_none_is_an_error():
    for odd in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="deadline"):
            seqera_agent.Client(deadline=odd)
