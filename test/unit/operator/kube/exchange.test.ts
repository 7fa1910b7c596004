import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { Agent } from 'undici';
import { exchange } from '../../../../src/operator/kube/exchange.ts';

/** Longer than any test takes. */
const LONG = 60_000;

describe('exchange', () => {
  let server: Server;
  let agent: Agent;
  let origin: string;
  let asked: string[];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    agent = new Agent({ connections: 1, bodyTimeout: 0 });
  });

  afterEach(async () => {
    await agent.destroy();
    server.closeAllConnections();
    server.close();
  });

  const get = (path: string, options: Partial<Parameters<typeof exchange>[2]> = {}) =>
    exchange(agent, { origin, path, method: 'GET' }, { timeout: LONG, ...options });

  it('an answer in pieces is one text, though a character is cut in two', async () => {
    answer = (_request, response) => {
      const text = Buffer.from('Zürich');
      response.statusCode = 409;
      response.setHeader('retry-after', '3');
      response.write(text.subarray(0, 2), () => response.end(text.subarray(2)));
    };
    const { status, headers, text } = await get('/a');
    expect([status, headers['retry-after'], text]).to.deep.equal([409, '3', 'Zürich']);
  });

  it('the body of a refusal is never taken for that of a watch', async () => {
    answer = (_request, response) => {
      response.statusCode = 410;
      response.end('gone');
    };
    const { text } = await get('/a', { onData: () => expect.fail('It is no event') });
    expect(text).to.equal('gone');
  });

  it('what the reader of a watch throws ends it', async () => {
    answer = (_request, response) => void response.write('an event');
    const read = get('/a', {
      onData: () => {
        throw new Error('not an event');
      },
    });
    expect(await read.catch((error: Error) => error.message)).to.equal('not an event');
  });

  it('one that is too late ends, and is never sent where it had to wait for a connection', async () => {
    let free: () => void = () => expect.fail('Nothing was asked');
    answer = (request, response) => {
      if (request.url === '/first') {
        free = () => response.end('done');
      } else {
        response.end('sent');
      }
    };
    const first = get('/first');
    const late = await get('/late', { timeout: 1 }).catch((error: Error) => error.name);
    expect(late).to.equal('TimeoutError');
    await waitFor(() => asked.length > 0);
    free();
    expect((await first).text).to.equal('done');
    expect((await get('/next')).text).to.equal('sent');
    expect(asked).to.deep.equal(['GET /first', 'GET /next']);
  });

  it('a signal ends it with its reason, before and while it is under way', async () => {
    const stop = new AbortController();
    answer = () => stop.abort(new Error('stopping'));
    const under = await get('/a', { signal: stop.signal }).catch((error: Error) => error.message);
    const before = await get('/b', { signal: stop.signal }).catch((error: Error) => error.message);
    expect([under, before]).to.deep.equal(['stopping', 'stopping']);
    expect(asked).to.deep.equal(['GET /a']);
  });
});

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
