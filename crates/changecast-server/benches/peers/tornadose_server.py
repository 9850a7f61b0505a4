"""tornadose as its documentation uses it: what is posted goes to everybody. Argument: the port."""

import logging
import sys

from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler
from tornadose.handlers import EventSource, WebSocketSubscriber
from tornadose.stores import QueueStore


class Events(EventSource):
    """Answers at once, where tornadose waits for the first message."""

    def get(self):
        self.flush()
        return super().get()


class Socket(WebSocketSubscriber):
    """Sends a message as it is, where tornadose would wrap it as a string in JSON."""

    def publish(self, message):
        return self.write_message(message)


class Publish(RequestHandler):
    def initialize(self, store):
        self.store = store

    def post(self, topic):
        self.store.submit(self.request.body.decode())
        self.set_status(204)


async def start(port):
    store = {"store": QueueStore()}
    routes = [
        (r"/events", Events, store),
        (r"/ws", Socket, store),
        (r"/publish/(.*)", Publish, store),
    ]
    Application(routes).listen(port, address="127.0.0.1", backlog=4096)


logging.getLogger("tornado.access").disabled = True
loop = IOLoop.current()
loop.add_callback(start, int(sys.argv[1]))
loop.start()
