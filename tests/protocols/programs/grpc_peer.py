"""A server or a client of gRPC, without generated code: grpc_peer.py server|client PORT. Methods take and give plain bytes."""
import sys
from concurrent import futures

import grpc

COUNT = 400
BLOCK = bytes(range(256)) * 200


def numbered(index):
    return index.to_bytes(4, "big") + BLOCK


def unary(request, _context):
    return request


def down(_request, _context):
    for index in range(COUNT):
        yield numbered(index)


def up(requests, _context):
    count = 0
    for request in requests:
        if request != numbered(count):
            return b"wrong"
        count += 1
    return count.to_bytes(4, "big")


def both(requests, _context):
    yield from requests


def serve(port):
    handlers = grpc.method_handlers_generic_handler(
        "kwik.Test",
        {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Down": grpc.unary_stream_rpc_method_handler(down),
            "Up": grpc.stream_unary_rpc_method_handler(up),
            "Both": grpc.stream_stream_rpc_method_handler(both),
        },
    )
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((handlers,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def call(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        for index in range(COUNT):
            assert channel.unary_unary("/kwik.Test/Unary")(numbered(index)) == numbered(index)
        blocks = list(channel.unary_stream("/kwik.Test/Down")(b""))
        assert blocks == [numbered(index) for index in range(COUNT)]
        answer = channel.stream_unary("/kwik.Test/Up")(numbered(index) for index in range(COUNT))
        assert answer == COUNT.to_bytes(4, "big")
        echoed = list(channel.stream_stream("/kwik.Test/Both")(numbered(index) for index in range(COUNT)))
        assert echoed == [numbered(index) for index in range(COUNT)]
    print("unary down up both", end="")


if __name__ == "__main__":
    {"server": serve, "client": call}[sys.argv[1]](int(sys.argv[2]))
