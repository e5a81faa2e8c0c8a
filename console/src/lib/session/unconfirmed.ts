// Chat messages that are not in the timeline yet: they are sent again after a reconnect.

export interface Unconfirmed {
  text: string;
  /** Identifies the message when it comes back. */
  nonce: number;
}

const random = () => crypto.getRandomValues(new Uint32Array(1))[0]!;

export class UnconfirmedMessages {
  private messages: Unconfirmed[] = [];

  constructor(private readonly nonce: () => number = random) {}

  add(text: string): Unconfirmed {
    const message = { text, nonce: this.nonce() };
    this.messages = [...this.messages, message];
    return message;
  }

  confirm(nonce: number) {
    this.messages = this.messages.filter((m) => m.nonce !== nonce);
  }

  /** The server refuses them: sending them again is useless. */
  drop() {
    this.messages = [];
  }

  /** In the order in which they were written. */
  get all(): readonly Unconfirmed[] {
    return this.messages;
  }
}
