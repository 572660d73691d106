#!/usr/bin/env python3
"""Parley from Python: messages and events as they come, over a WebSocket (Debian: python3-websockets).

    parley_ws.py SOCKET messages [--consumer N] [--channel C] [--from start|now] [--count N]
    parley_ws.py SOCKET events [--after CURSOR|now|start] [--count N]

Data goes to standard output, one JSON object a line; "listening" goes to standard error once the daemon has
accepted the subscription. Without --count it runs until it is interrupted. Exit codes: 0 done, 1 wrong
use, 2 the daemon refused or ended the subscription, 3 no daemon on that socket or the connection was lost.
"""

import argparse
import asyncio
import base64
import json
import signal
import sys

import websockets

from parley_client import ParleyError, messages_of, show

# What the daemon may push before it is given more.
WINDOW_COUNT = 1_000
WINDOW_BYTES = 4 * 1024 * 1024

# Longer than any message of the daemon.
FRAME_BYTES_MAX = 16 * 1024 * 1024


class Connection:
    """JSON-RPC over one WebSocket: calls go out, answers and notifications come in."""

    def __init__(self, websocket):
        self._websocket = websocket
        self._last_id = 0
        self._answers = {}
        self.notifications = asyncio.Queue()

    async def read(self):
        """Sorts what comes in until the connection ends."""
        try:
            async for text in self._websocket:
                message = json.loads(text)
                if "id" in message:
                    self._answers.pop(message["id"]).set_result(message)
                else:
                    self.notifications.put_nowait((message["method"], message["params"]))
        finally:
            for answer in self._answers.values():
                answer.set_exception(ConnectionError("the connection was lost"))
            self.notifications.put_nowait((None, None))

    async def call(self, method, params):
        self._last_id += 1
        answer = asyncio.get_running_loop().create_future()
        self._answers[self._last_id] = answer
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        await self._websocket.send(json.dumps(request))
        message = await answer
        if "error" in message:
            raise ParleyError(message["error"])
        return message["result"]

    async def hello(self):
        """The first call on a WebSocket: who we are and which version of the contract we speak."""
        client = {"name": "parley_ws.py", "version": "1"}
        return await self.call("node.hello", {"client": client, "apiMajor": 1, "apiMinor": 0})

    async def next(self, method, ended):
        """The next notification of this name; ends with the one that says that the subscription is over."""
        while True:
            name, params = await self.notifications.get()
            if name is None:
                raise ConnectionError("the connection was lost")
            if name == ended:
                raise ParleyError({"message": "the subscription was ended", "data": {"code": params["code"]}})
            if name == method:
                return params


async def follow_messages(connection, arguments):
    params = {
        "consumer": arguments.consumer,
        "from": arguments.start,
        "credit": {"messages": WINDOW_COUNT, "bytes": WINDOW_BYTES},
    }
    if arguments.channel:
        params["filter"] = {"channels": arguments.channel}
    subscription = (await connection.call("messages.subscribe", params))["subscription"]
    print("listening", file=sys.stderr, flush=True)
    left = arguments.count
    while left != 0:
        run = await connection.next("messages.deliver", "messages.ended")
        for message in messages_of(run):
            show(message)
            # Only what was printed is acknowledged: a crash in between shows it again.
            if arguments.consumer is not None:
                await connection.call("messages.ack", {"consumer": arguments.consumer, "index": message["index"]})
            # What was taken from the window goes back to it.
            size = len(base64.b64decode(message["body"]))
            await connection.call(
                "messages.credit", {"subscription": subscription, "messages": 1, "bytes": size}
            )
            left -= 1
            if left == 0:
                break


async def follow_events(connection, arguments):
    await connection.call("events.subscribe", {"after": arguments.after})
    print("listening", file=sys.stderr, flush=True)
    left = arguments.count
    while left != 0:
        for event in (await connection.next("events.event", "events.ended"))["events"]:
            show(event)
            left -= 1
            if left == 0:
                break


async def follow(arguments):
    async with websockets.unix_connect(
        arguments.socket,
        "ws://parley/rpc",
        subprotocols=["parley.v1.json"],
        compression=None,
        max_size=FRAME_BYTES_MAX,
    ) as websocket:
        connection = Connection(websocket)
        reading = asyncio.create_task(connection.read())
        await connection.hello()
        try:
            await (follow_messages if arguments.command == "messages" else follow_events)(connection, arguments)
        finally:
            reading.cancel()


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Parley over a WebSocket on its Unix socket.")
    parser.add_argument("socket")
    commands = parser.add_subparsers(dest="command", required=True)
    messages = commands.add_parser("messages")
    messages.add_argument("--consumer", help="acknowledges what was printed; without it this is a look")
    messages.add_argument("--channel", action="append")
    messages.add_argument("--from", dest="start", choices=("start", "now"), default="start")
    messages.add_argument("--count", type=int, default=-1)
    events = commands.add_parser("events")
    events.add_argument("--after", default="now")
    events.add_argument("--count", type=int, default=-1)
    try:
        return parser.parse_args(argv)
    except SystemExit as end:
        # argparse says 2 for wrong use; that is the daemon's here.
        sys.exit(1 if end.code else 0)


async def run_until_stopped(arguments):
    """SIGINT and SIGTERM end the program as if it was done."""
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await follow(arguments)
    except asyncio.CancelledError:
        pass  # Asked for: not a failure.


def main(argv):
    arguments = parse_arguments(argv)
    try:
        asyncio.run(run_until_stopped(arguments))
    except ParleyError as error:
        print(error.as_json(), file=sys.stderr)
        return 2
    except (OSError, websockets.exceptions.WebSocketException) as error:
        print(json.dumps({"error": {"code": "DAEMON_UNREACHABLE", "message": str(error)}}), file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
