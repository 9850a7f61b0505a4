// A network between client and server that can be cut.

import { once } from "node:events";
import net from "node:net";

export class Proxy {
  static async start(t, server) {
    const proxy = new Proxy();
    proxy.sockets = new Set();
    proxy.listener = net.createServer((near) => proxy.join(near, net.connect(server.port, "127.0.0.1")));
    proxy.listener.listen(0, "127.0.0.1");
    await once(proxy.listener, "listening");
    proxy.origin = `http://127.0.0.1:${proxy.listener.address().port}`;
    t.after(() => {
      proxy.listener.close();
      proxy.cut();
    });
    return proxy;
  }

  join(near, far) {
    for (const [from, to] of [[near, far], [far, near]]) {
      this.sockets.add(from);
      from.on("error", () => {}).on("close", () => {
        this.sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }

  /** Breaks every connection, in the midst of whatever is on it. */
  cut() {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }
}
