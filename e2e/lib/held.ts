// The keys and buttons that are down on an X server, read with its own protocol.

import { connect, type Socket } from 'node:net';

export interface Held {
  /** The keycodes of keys, and the numbers of buttons. */
  keys: number[];
  buttons: number[];
}

/** Reads complete answers from a connection. */
class Answers {
  private bytes = Buffer.alloc(0);
  private wake = () => {};

  constructor(private socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.wake();
    });
  }

  async take(length: number): Promise<Buffer> {
    while (this.bytes.length < length) {
      await new Promise<void>((resolve, reject) => {
        this.wake = resolve;
        this.socket.once('close', () => reject(new Error('the display is gone')));
      });
    }
    const taken = this.bytes.subarray(0, length);
    this.bytes = this.bytes.subarray(length);
    return taken;
  }
}

/** The keys and buttons that are down on a display such as `:7`. */
export async function held(display: string): Promise<Held> {
  const socket = connect(`/tmp/.X11-unix/X${display.slice(1)}`);
  try {
    const answers = new Answers(socket);
    // Little endian, version 11, no authorisation.
    socket.write(Buffer.from([0x6c, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    const head = await answers.take(8);
    const setup = await answers.take(4 * head.readUInt16LE(6));
    const vendor = Math.ceil(setup.readUInt16LE(16) / 4) * 4;
    const root = setup.readUInt32LE(32 + vendor + 8 * setup[21]!);
    socket.write(Buffer.from([44, 0, 1, 0]));
    const map = (await answers.take(40)).subarray(8);
    const query = Buffer.from([38, 0, 2, 0, 0, 0, 0, 0]);
    query.writeUInt32LE(root, 4);
    socket.write(query);
    const mask = (await answers.take(32)).readUInt16LE(24);
    const bits = (count: number, is: (n: number) => number) =>
      Array.from({ length: count }, (_, n) => n).filter((n) => is(n) & 1);
    return {
      keys: bits(256, (n) => map[n >> 3]! >> (n & 7)),
      buttons: bits(5, (n) => mask >> (8 + n)).map((n) => n + 1)
    };
  } finally {
    socket.destroy();
  }
}
