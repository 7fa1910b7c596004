// A proxy in front of the API server, for faults: `onRequest` has requests answered with an error, or
// carried out without an answer, which the client never hears of, and `cutWatches` ends all watches.
// The process under test is given the `kubeconfig` of the proxy.
//
// It serves with the API server's own certificate, so that the same CA trusts it.

import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import { freePort } from '../process/free-port.ts';
import type { ControlPlane } from './control-plane.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { IDLE_MILLISECONDS, type KubeObject } from './test-api.ts';

/** A request as the proxy sees it, before it decides what is done with it. */
export interface ProxiedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly isWatch: boolean;
  readonly userAgent: string;
  /** The object that was sent; empty where none was. */
  readonly body: KubeObject;
  /** When the request reached the proxy. */
  readonly at: Date;
}

/** A request with what the client was answered; null when it was never answered. */
export interface AnsweredRequest extends ProxiedRequest {
  status: number | null;
}

/** What the proxy does with a request that a rule matches; others are passed on. */
export type ProxyAction =
  /** The API server never sees it; the client gets a Status object with this code. */
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly reason?: string;
      readonly headers?: Record<string, string>;
    }
  | { readonly kind: 'delay'; readonly milliseconds: number }
  /** What a watch sends, open already or not, is swallowed; the connection stays as it is. */
  | { readonly kind: 'silence' }
  /** The connection breaks before the API server has seen the request. */
  | { readonly kind: 'drop' }
  /** The API server has done it, and then the connection breaks. */
  | { readonly kind: 'drop-answer' }
  /**
   * `before` may return 'drop': the API server then never sees it. `after` runs before the client
   * hears the answer.
   */
  | {
      readonly kind: 'call';
      readonly before?: (request: ProxiedRequest) => Verdict | Promise<Verdict>;
      readonly after?: (request: ProxiedRequest, status: number) => Verdict | Promise<Verdict>;
    };

/** 'drop' breaks the connection at this point; anything else lets things take their way. */
export type Verdict = 'drop' | 'pass' | undefined;

/** For how long a rule of the proxy holds. */
export interface RuleOptions {
  /** How often the rule acts before it removes itself; default: always. */
  readonly times?: number;
}

/** A rule that was added to the proxy. */
export interface Rule {
  /** How often it acted. */
  readonly hits: number;
  remove(): void;
}

/**
 * A proxy in front of the API server that notes each request, and fails those that a test wants to
 * fail.
 */
export interface ApiProxy {
  readonly server: string;
  /** All that was asked, in order of arrival. */
  readonly requests: readonly AnsweredRequest[];
  /** The first rule that matches acts; rules are asked in the order in which they were added. */
  onRequest(matches: (request: ProxiedRequest) => boolean, action: ProxyAction, options?: RuleOptions): Rule;
  /** Breaks the connection of each open watch, and tells how many there were. */
  cutWatches(): number;
  /** Breaks every connection, watch or not. */
  cutAll(): void;
  /** From now on nothing moves, in either direction, and no connection breaks; until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** A kubeconfig file that sends this token by way of the proxy. */
  kubeconfig(token: string, namespace?: string): string;
  stop(): Promise<void>;
}

interface ActiveRule extends Rule {
  hits: number;
  readonly matches: (request: ProxiedRequest) => boolean;
  readonly action: ProxyAction;
  readonly times: number;
}

/**
 * Starts a proxy in front of a control plane, on a free port of loopback, with the API server's own
 * certificate.
 */
export async function startApiProxy(plane: ControlPlane): Promise<ApiProxy> {
  const upstream = new URL(plane.server);
  const ca = readFileSync(plane.caFile);
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS, ca });
  const rules: ActiveRule[] = [];
  const requests: AnsweredRequest[] = [];
  const sockets = new Set<Socket>();
  const watches = new Set<IncomingMessage>();
  let frozen: PromiseWithResolvers<void> | null = null;
  let kubeconfigs = 0;

  const tls = { cert: readFileSync(plane.servingCertFile), key: readFileSync(plane.servingKeyFile) };
  const server = createServer(tls, (request, response) => {
    serve(request, response).catch(() => request.socket.destroy());
  });
  // As the API server, which keeps one open for longer than any client leaves it idle; Node's 5 s
  // would break some at the moment of their next request.
  server.keepAliveTimeout = 0;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(incoming);
    const request = describe(incoming, body);
    requests.push(request);
    await frozen?.promise;

    const rule = rules.find(({ action, matches }) => action.kind !== 'silence' && matches(request));
    if (rule !== undefined) {
      rule.hits += 1;
      if (rule.hits >= rule.times) rule.remove();
    }
    const action = rule?.action;
    if (action?.kind === 'drop') return breakOff(incoming);
    if (action?.kind === 'respond') {
      request.status = action.status;
      respond(response, action.status, action.reason ?? '', action.headers ?? {});
      return;
    }
    if (action?.kind === 'delay') await sleep(action.milliseconds);
    if (action?.kind === 'call' && (await action.before?.(request)) === 'drop') return breakOff(incoming);

    const answer = await forward(incoming, body);
    const status = answer.statusCode ?? 502;
    if (request.isWatch && status === 200) {
      request.status = status;
      stream(incoming, request, answer, response);
      return;
    }
    const content = await readAll(answer);
    await frozen?.promise;
    if (action?.kind === 'drop-answer') return breakOff(incoming);
    if (action?.kind === 'call' && (await action.after?.(request, status)) === 'drop')
      return breakOff(incoming);
    request.status = status;
    response.writeHead(status, endToEnd(answer.headers));
    response.end(content);
  }

  function forward(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers: IncomingHttpHeaders = { ...endToEnd(incoming.headers), host: upstream.host };
      if (body.length > 0) headers['content-length'] = String(body.length);
      const options = {
        agent,
        host: upstream.hostname,
        port: upstream.port,
        method: incoming.method,
        path: incoming.url,
      };
      const call = httpsRequest({ ...options, headers }, resolve);
      call.on('error', reject);
      call.end(body);
      const giveUp = () => call.destroy();
      incoming.socket.once('close', giveUp);
      call.once('close', () => incoming.socket.removeListener('close', giveUp));
    });
  }

  function stream(
    incoming: IncomingMessage,
    request: ProxiedRequest,
    answer: IncomingMessage,
    response: ServerResponse,
  ): void {
    response.writeHead(200, endToEnd(answer.headers));
    response.flushHeaders();
    watches.add(incoming);
    answer.on('data', async (chunk: Buffer) => {
      // Chunks keep their order: all of them wait for the same promise, and it calls back in the
      // order of asking.
      await frozen?.promise;
      const silence = rules.find(({ action, matches }) => action.kind === 'silence' && matches(request));
      if (silence === undefined) response.write(chunk);
      else silence.hits += 1;
    });
    answer.on('end', async () => {
      await frozen?.promise;
      response.end();
    });
    answer.on('error', () => breakOff(incoming));
    response.on('close', () => {
      watches.delete(incoming);
      answer.destroy();
    });
  }

  function breakOff(incoming: IncomingMessage): void {
    incoming.socket.destroy();
  }

  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  server.unref();
  const address = `https://127.0.0.1:${port}`;

  return {
    server: address,
    requests,
    onRequest(matches, action, options = {}) {
      const rule: ActiveRule = {
        hits: 0,
        matches,
        action,
        times: options.times ?? Number.POSITIVE_INFINITY,
        remove() {
          const index = rules.indexOf(rule);
          if (index >= 0) rules.splice(index, 1);
        },
      };
      rules.push(rule);
      return rule;
    },
    cutWatches() {
      const open = [...watches];
      for (const incoming of open) breakOff(incoming);
      return open.length;
    },
    cutAll() {
      for (const socket of sockets) socket.destroy();
    },
    freeze() {
      frozen ??= Promise.withResolvers();
    },
    thaw() {
      frozen?.resolve();
      frozen = null;
    },
    kubeconfig(token, namespace) {
      kubeconfigs += 1;
      return writeKubeconfig(join(plane.folder, 'kubeconfigs', `proxy-${port}-${kubeconfigs}`), {
        server: address,
        caFile: plane.caFile,
        token,
        ...withoutUndefined({ namespace }),
      });
    },
    async stop() {
      frozen?.resolve();
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await closed;
    },
  };
}

function describe(incoming: IncomingMessage, body: Buffer): AnsweredRequest {
  const url = new URL(incoming.url ?? '/', 'https://127.0.0.1');
  return {
    method: incoming.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    isWatch: ['true', '1'].includes(url.searchParams.get('watch') ?? ''),
    userAgent: incoming.headers['user-agent'] ?? '',
    body: parse(body),
    at: new Date(),
    status: null,
  };
}

function parse(body: Buffer): KubeObject {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

function respond(
  response: ServerResponse,
  code: number,
  reason: string,
  headers: Record<string, string>,
): void {
  const message = `injected by the test's proxy: ${code} ${reason}`.trim();
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(status));
}

/** Headers that concern one connection only are not passed on. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const {
    connection: _connection,
    'keep-alive': _keepAlive,
    'transfer-encoding': _encoding,
    ...rest
  } = headers;
  return rest;
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
