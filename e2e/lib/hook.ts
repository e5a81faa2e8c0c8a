// A receiver of webhooks: keeps what it receives, and answers as the test requires.

import { createServer, type Server as HttpServer } from 'node:http';
import { freePort } from './processes';

export interface Request {
  headers: Record<string, string>;
  body: string;
}

export class Hook {
  readonly received: Request[] = [];
  status = 200;
  url = '';
  private server?: HttpServer;

  static async start(): Promise<Hook> {
    const hook = new Hook();
    const port = await freePort();
    hook.url = `http://localhost:${port}/hook`;
    hook.server = createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        if (hook.status === 200) hook.received.push({ headers: request.headers as Record<string, string>, body });
        response.writeHead(hook.status).end(hook.status === 200 ? 'thank you' : 'not now');
      });
    });
    await new Promise<void>((done) => hook.server!.listen(port, done));
    return hook;
  }

  stop() {
    this.server?.close();
  }
}
