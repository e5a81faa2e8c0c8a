// A network that can be cut: a TCP proxy that distinguishes the customer's program from browsers by the Origin
// header.

import { connect, createServer, type Server as Net, type Socket } from 'node:net';
import { Transform } from 'node:stream';

type Who = 'program' | 'page';

export class Proxy {
  private sockets = new Map<Socket, Who>();
  private down = new Set<Who>();
  /** Bytes a second in each direction of each connection; no limit by default. */
  rate = Infinity;
  private constructor(
    private server: Net,
    readonly port: number
  ) {}

  static start(port: number, to: () => number): Promise<Proxy> {
    return new Promise((done) => {
      const server = createServer((near) => proxy.connect(near, to()));
      const proxy = new Proxy(server, port);
      server.listen(port, '127.0.0.1', () => done(proxy));
    });
  }

  private connect(near: Socket, to: number) {
    near.on('error', () => near.destroy());
    near.once('data', (head) => {
      const who: Who = /^(origin|sec-fetch-site|user-agent: mozilla)/im.test(head.toString('latin1'))
        ? 'page'
        : 'program';
      if (this.down.has(who)) return near.destroy();
      const far = connect(to, '127.0.0.1');
      // Written first: what follows waits for the connection in order.
      far.write(head);
      far.on('error', () => near.destroy());
      far.on('close', () => near.destroy());
      near.on('close', () => {
        far.destroy();
        this.sockets.delete(near);
      });
      near.pipe(this.limited()).pipe(far).pipe(this.limited()).pipe(near);
      this.sockets.set(near, who);
    });
  }

  /** Limits the rate. */
  private limited(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _, done) => {
        if (this.rate === Infinity) done(null, chunk);
        else setTimeout(() => done(null, chunk), (chunk.length / this.rate) * 1_000);
      }
    });
  }

  /** Cuts every connection of this side, and refuses new ones. */
  cut(who: Who) {
    this.down.add(who);
    for (const [socket, whose] of this.sockets) if (whose === who) socket.destroy();
  }

  restore(who: Who) {
    this.down.delete(who);
  }

  stop() {
    for (const socket of this.sockets.keys()) socket.destroy();
    this.server.close();
  }
}
