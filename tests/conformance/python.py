"""The runner for Python: makes the calls that come on standard input with `seqera_agent`, as README.md says."""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import seqera_agent
from seqera_agent import aio


def shown(token):
    return {
        "access_token": token.secret,
        "token_type": token.token_type,
        "profile": token.profile or None,
        "authority": token.authority or None,
        "api_url": token.api_url or None,
        "expires_at": token.expires_at and token.expires_at.isoformat(),
        "valid_for": token.valid_for,
        "renewal_failing": token.renewal_failing,
        "source": token.source,
    }


def of_change(change):
    return {"signed_out": change.signed_out} if change.token is None else shown(change.token)


def of_status(status):
    email = status.account.email if status.account else None
    return {
        "profile": status.profile,
        "state": status.state,
        "authority": status.authority or None,
        "account": email,
    }


def of_token(call):
    names = ("min_valid", "rejected", "timeout")
    return {name: call[name] for name in names if call.get(name) is not None}


class Clients:
    """One client for each set of options."""

    def __init__(self, kind):
        self._kind = kind
        self._known = {}

    def of(self, call):
        names = ("profile", "authority", "deadline", "start_agent")
        options = tuple((name, call[name]) for name in names if call.get(name) is not None)
        if options not in self._known:
            self._known[options] = self._kind(**dict(options))
        return self._known[options]


class Sync:
    def __init__(self, helper):
        self._clients = Clients(seqera_agent.Client)
        self._helper = helper
        self._watches = {}
        self._sessions = {}

    def token(self, call):
        return shown(self._clients.of(call).token(**of_token(call)))

    def tokens(self, call):
        client, count = self._clients.of(call), call["count"]
        with ThreadPoolExecutor(count) as pool:
            return sorted({token.secret for token in pool.map(lambda _: client.token(), range(count))})

    def status(self, call):
        return of_status(self._clients.of(call).status())

    def watch(self, call):
        self._watches[call["watch"]] = self._clients.of(call).watch()
        return {}

    def next(self, call):
        return of_change(self._watches[call["watch"]].next(call["timeout"]))

    def end_watch(self, call):
        self._watches.pop(call["watch"]).close()
        return {}

    def forked(self, call):
        client = self._clients.of(call)
        # A watch that is open must survive a child, and a child a watch that is open.
        watch = client.watch()
        watch.next(20)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                answer = {"gives": shown(client.token())}
            except BaseException as error:
                answer = {"fails": {"reason": type(error).__name__, "message": str(error)}}
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            told = json.load(answer)
        os.waitpid(child, 0)
        client.token()
        watch.close()
        return told["gives"]

    def request(self, call):
        method, url, body = call.get("method", "GET"), call["url"], call.get("body")
        profile = call.get("profile")
        if self._helper == "requests":
            import requests
            from seqera_agent.requests import SeqeraAuth

            answer = requests.request(method, url, data=body, auth=SeqeraAuth(profile), timeout=60)
            return {"status": answer.status_code, "url": answer.url, "body": answer.text}
        import httpx
        from seqera_agent.httpx import SeqeraAuth

        with httpx.Client(auth=SeqeraAuth(profile), follow_redirects=True, timeout=60) as client:
            answer = client.request(method, url, content=body)
            return {"status": answer.status_code, "url": str(answer.url), "body": answer.text}

    def answer(self, call):
        return getattr(self, call["call"])(call)


class Async:
    """Each call in an event loop that goes on, but for `request`, which may be trio's."""

    def __init__(self, helper):
        self._clients = Clients(aio.AsyncClient)
        self._loop = asyncio.new_event_loop()
        self._watches = {}

    async def token(self, call):
        return shown(await self._clients.of(call).token(**of_token(call)))

    async def tokens(self, call):
        client = self._clients.of(call)
        tokens = await asyncio.gather(*(client.token() for _ in range(call["count"])))
        return sorted({token.secret for token in tokens})

    async def status(self, call):
        return of_status(await self._clients.of(call).status())

    async def watch(self, call):
        self._watches[call["watch"]] = self._clients.of(call).watch()
        return {}

    async def next(self, call):
        return of_change(await self._watches[call["watch"]].next(call["timeout"]))

    async def end_watch(self, call):
        self._watches.pop(call["watch"]).close()
        return {}

    async def forked(self, call):
        reading, writing = os.pipe()
        client = self._clients.of(call)
        child = os.fork()
        if child == 0:
            # A child has no event loop but its own.
            asyncio._set_running_loop(None)
            os.write(writing, json.dumps(shown(asyncio.run(client.token()))).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            told = json.load(answer)
        os.waitpid(child, 0)
        await client.token()
        return told

    async def request(self, call):
        import httpx
        from seqera_agent.httpx import SeqeraAuth

        method, url, body = call.get("method", "GET"), call["url"], call.get("body")
        auth = SeqeraAuth(call.get("profile"))
        async with httpx.AsyncClient(auth=auth, follow_redirects=True, timeout=60) as client:
            answer = await client.request(method, url, content=body)
            return {"status": answer.status_code, "url": str(answer.url), "body": answer.text}

    def answer(self, call):
        return self._loop.run_until_complete(getattr(self, call["call"])(call))


def main(mode, helper="httpx"):
    runner = Async(helper) if mode == "async" or helper.endswith("-async") else Sync(helper)
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = {"gives": runner.answer(call)}
        except seqera_agent.AgentError as error:
            answer = {
                "fails": {
                    "reason": error.reason,
                    "message": error.message,
                    "hint": error.hint,
                    "retry_after": error.retry_after,
                    "type": type(error).__name__,
                }
            }
        print(json.dumps({"id": call["id"], **answer}), flush=True)


main(*sys.argv[1:])
