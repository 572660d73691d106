#!/usr/bin/env python3
"""Parley from Python: one HTTP request for each call, with the standard library alone.

    parley_client.py SOCKET send PEER TEXT [--channel C]
    parley_client.py SOCKET fetch [--consumer N] [--channel C] [--max N] [--wait-ms MS]
    parley_client.py SOCKET events [--after CURSOR] [--wait-ms MS]
    parley_client.py SOCKET call METHOD [PARAMS-AS-JSON]

Data goes to standard output, one JSON object a line. Exit codes: 0 done, 1 wrong use, 2 the daemon
refused (its error is one JSON object on standard error), 3 no daemon on that socket.
"""

import argparse
import base64
import http.client
import json
import socket
import sys


class ParleyError(Exception):
    """What the daemon answered instead of a result. Decide by `code`; the text may change."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.data = error.get("data", {})
        self.code = self.data.get("code", "INTERNAL")

    def as_json(self):
        return json.dumps({"error": {"message": str(self), **self.data}})


class UnixHTTPConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket. The host is always `parley`: the daemon refuses other names."""

    def __init__(self, path, timeout_s=120.0):
        super().__init__("parley", timeout=timeout_s)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Parley:
    """Calls the daemon behind one socket."""

    def __init__(self, path):
        self._connection = UnixHTTPConnection(path)
        self._last_id = 0

    def call(self, method, params=None):
        """Calls a method of the contract and returns its result, or raises ParleyError."""
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params or {}}
        body = json.dumps(request).encode()
        self._connection.request("POST", "/rpc", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        if "error" in answer:
            raise ParleyError(answer["error"])
        return answer["result"]

    def send(self, peer, bodies, channel=None, ttl_ms=None, key=None):
        """Sends messages in order. Returns their IDs once they are on the daemon's disk: it brings them to the peer, or tells why not.

        The same call with the same key is accepted once: say it again where the answer was lost.
        """
        params = {"peer": peer, "bodies": [base64.b64encode(body).decode() for body in bodies]}
        if channel is not None:
            params["channel"] = channel
        if ttl_ms is not None:
            params["ttlMs"] = ttl_ms
        if key is not None:
            params["idempotencyKey"] = key
        return [id_ for range_ in self.call("messages.send", params)["ids"] for id_ in ids_of(range_)]

    def fetch(self, consumer=None, channels=None, start=None, count_max=None, wait_ms=0):
        """Pulls messages. Under a consumer's name the daemon remembers what was acknowledged."""
        params = {"consumer": consumer, "waitMs": wait_ms}
        if channels:
            params["filter"] = {"channels": channels}
        if start is not None:
            params["from"] = start
        if count_max is not None:
            params["max"] = count_max
        return [message for run in self.call("messages.fetch", params)["runs"] for message in messages_of(run)]

    def ack(self, consumer, index):
        """Says that everything up to and including this index is dealt with."""
        self.call("messages.ack", {"consumer": consumer, "index": index})

    def fetch_events(self, after="start", wait_ms=0):
        """Pulls events after a cursor. Returns them and the cursor to go on after."""
        result = self.call("events.fetch", {"after": after, "waitMs": wait_ms})
        return result["events"], result["cursor"]


def ids_of(range_):
    """The IDs of a range: the last part of the first one counts up."""
    head, _, last = range_["first"].rpartition(".")
    return [f"{head}.{int(last) + n}" for n in range(range_["count"])]


def messages_of(run):
    """The messages of a run, which share one header."""
    ids = ids_of({"first": run["id"], "count": len(run["bodies"])})
    shared = {name: run[name] for name in ("from", "fromName", "contact", "channel", "sentAt", "redelivered", "maybeDuplicate")}
    for n, body in enumerate(run["bodies"]):
        message = {"index": run["first"] + n, "id": ids[n], **shared, "body": body}
        try:
            message["text"] = base64.b64decode(body).decode()
        except UnicodeDecodeError:
            pass  # Not text: the body in base64 is all there is to show.
        yield message


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Parley over HTTP on its Unix socket.")
    parser.add_argument("socket")
    commands = parser.add_subparsers(dest="command", required=True)
    send = commands.add_parser("send")
    send.add_argument("peer")
    send.add_argument("text")
    send.add_argument("--channel")
    send.add_argument("--ttl-ms", type=int, help="give it up when the peer does not have it after this time")
    send.add_argument("--key", help="of this message: the same call again is accepted once")
    fetch = commands.add_parser("fetch")
    fetch.add_argument("--consumer", help="acknowledges what was printed")
    fetch.add_argument("--channel", action="append")
    fetch.add_argument("--from", dest="start", choices=("start", "now"))
    fetch.add_argument("--max", type=int)
    fetch.add_argument("--wait-ms", type=int, default=0)
    events = commands.add_parser("events")
    events.add_argument("--after", default="start")
    events.add_argument("--wait-ms", type=int, default=0)
    call = commands.add_parser("call")
    call.add_argument("method")
    call.add_argument("params", nargs="?", type=json.loads, default={})
    try:
        return parser.parse_args(argv)
    except SystemExit as end:
        # argparse says 2 for wrong use; that is the daemon's here.
        sys.exit(1 if end.code else 0)


def show(value):
    print(json.dumps(value, ensure_ascii=False), flush=True)


def run(arguments):
    parley = Parley(arguments.socket)
    if arguments.command == "send":
        ids = parley.send(arguments.peer, [arguments.text.encode()], arguments.channel, arguments.ttl_ms, arguments.key)
        show({"id": ids[0]})
    elif arguments.command == "fetch":
        messages = parley.fetch(
            arguments.consumer, arguments.channel, arguments.start, arguments.max, arguments.wait_ms
        )
        for message in messages:
            show(message)
        if arguments.consumer is not None and messages:
            parley.ack(arguments.consumer, messages[-1]["index"])
    elif arguments.command == "events":
        events, cursor = parley.fetch_events(arguments.after, arguments.wait_ms)
        for event in events:
            show(event)
        show({"cursor": cursor})
    else:
        show(parley.call(arguments.method, arguments.params))


def main(argv):
    arguments = parse_arguments(argv)
    try:
        run(arguments)
    except ParleyError as error:
        print(error.as_json(), file=sys.stderr)
        return 2
    except (OSError, http.client.HTTPException) as error:
        print(json.dumps({"error": {"code": "DAEMON_UNREACHABLE", "message": str(error)}}), file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
