"""gRPC's own library for Python at the agent's socket, as somebody uses it who brings their own: nothing but the one
option. The messages come from the agent itself, by reflection of both versions. Prints what it has seen.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2 as reflection

from seqera_agent import _wire

SOCKET = sys.argv[1]
OPTIONS = [("grpc.default_authority", "localhost")]


def files(channel, version):
    """Every file of the contract, as reflection of this version gives them."""
    # The messages of both versions are the same but for the name of their package.
    info = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection.ServerReflectionRequest.SerializeToString,
        reflection.ServerReflectionResponse.FromString,
    )

    def ask(**question):
        return next(iter(info(iter([reflection.ServerReflectionRequest(**question)]), timeout=20)))

    services = ("Tokens", "Sessions", "Reason")
    found, wanted = {}, [ask(file_containing_symbol=f"seqera.agent.v1.{name}") for name in services]
    while wanted:
        for encoded in wanted.pop().file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(encoded)
            if file.name not in found:
                found[file.name] = file
                wanted += [ask(file_by_filename=name) for name in file.dependency if name not in found]
    return found


def pool_of(found):
    pool, added = descriptor_pool.DescriptorPool(), set()

    def add(name):
        if name in added:
            return
        added.add(name)
        for needed in found[name].dependency:
            add(needed)
        pool.Add(found[name])

    for name in found:
        add(name)
    return pool


def differences(table, descriptor):
    """How a table of the library differs from the message that it is for."""
    for number, (name, kind) in table.items():
        field = descriptor.fields_by_number.get(number)
        if field is None or field.name != name:
            yield f"{descriptor.name}.{name}"
            continue
        kind = kind[0] if isinstance(kind, list) else kind
        if isinstance(kind, dict):
            yield from differences(kind, field.message_type)
        elif {"text": field.TYPE_STRING, "bytes": field.TYPE_BYTES, "bool": field.TYPE_BOOL}.get(kind, field.type) != field.type:
            yield f"{descriptor.name}.{name} is no {kind}"


def main():
    seen = {}
    channel = grpc.insecure_channel(f"unix:{SOCKET}", options=OPTIONS)
    both = {version: files(channel, version) for version in ("v1", "v1alpha")}
    seen["reflection"] = {version: len(found) for version, found in both.items()}
    pool = pool_of(both["v1"])
    tables = {"AccessToken": _wire.ACCESS_TOKEN, "TokenEvent": _wire.TOKEN_EVENT, "SessionStatus": _wire.SESSION_STATUS}
    seen["differences"] = [
        problem
        for name, table in tables.items()
        for problem in differences(table, pool.FindMessageTypeByName(f"seqera.agent.v1.{name}"))
    ]
    states = pool.FindEnumTypeByName("seqera.agent.v1.SessionState").values_by_number
    seen["states"] = [states[n].name for n in sorted(states)] == [f"SESSION_STATE_{name}" for name in _wire.STATES]
    requests = ("GetAccessTokenRequest", "WatchAccessTokenRequest", "StatusRequest")
    seen["requests"] = {
        name: {str(f.number): f.name for f in pool.FindMessageTypeByName(f"seqera.agent.v1.{name}").fields}
        for name in requests
    }

    def kind(name):
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"seqera.agent.v1.{name}"))

    def call(on):
        request, answer = kind("GetAccessTokenRequest"), kind("AccessToken")
        get = on.unary_unary(
            "/seqera.agent.v1.Tokens/GetAccessToken", request.SerializeToString, answer.FromString
        )
        return get(request(profile="work"), timeout=20)

    seen["profile"] = call(channel).profile
    watch = channel.unary_stream(
        "/seqera.agent.v1.Tokens/WatchAccessToken",
        kind("WatchAccessTokenRequest").SerializeToString,
        kind("TokenEvent").FromString,
    )(kind("WatchAccessTokenRequest")(profile="work"), timeout=20)
    seen["watched"] = next(iter(watch)).WhichOneof("event")
    watch.cancel()
    try:
        call(grpc.insecure_channel(f"unix:{SOCKET}"))
    except grpc.RpcError as error:
        seen["without the option"] = error.details()
    print(json.dumps(seen))


main()
