import { HttpMethod, RequestContext } from '@kubernetes/client-node';
import { request } from 'undici';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { causeOf, KubeError } from './kube-error.ts';
import type { PooledKubeConfig } from './pooled-kube-config.ts';

/** One request to the API server that is no watch. */
export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the API server's root: `/api/v1/pods`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Of the body; default: JSON, or a merge patch. */
  readonly contentType?: string;
}

/** One watch, which ends with its connection. */
export interface KubeWatch<T> {
  /** From the API server's root: `/api/v1/pods`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** How long nothing may come, in milliseconds, from the request on. */
  readonly silence: number;
  readonly signal: AbortSignal;
  /** Called when the API server has begun to answer. */
  readonly onOpen: () => void;
  /** Called with each event, in order; what it throws ends the watch. */
  readonly onEvent: (type: string, object: T) => void;
}

/** How long a request other than a watch may take, in milliseconds. */
const REQUEST_TIMEOUT = 30_000;

const USER_AGENT = 'glance-schema';

/**
 * Requests to the API server, over the connections and with the identity of a KubeConfig. Objects
 * are plain JSON.
 */
export class KubeClient {
  readonly config: PooledKubeConfig;

  constructor(config: PooledKubeConfig) {
    this.config = config;
  }

  /**
   * Makes one request; nothing is repeated here, as only the caller knows whether it may be.
   *
   * @param signal ends the request early.
   * @returns the object in the answer; its type is the caller's word, as the path determines it.
   * @throws KubeError when the API server refuses, does not answer in 30 seconds, or cannot be
   *   reached.
   */
  async request<T>(request: KubeRequest, signal?: AbortSignal): Promise<T> {
    const text = await this.requestText(request, signal);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new KubeError(`Cannot ${request.method} ${request.path}: ${causeOf(error)}`, { cause: error });
    }
  }

  /** The same for what is answered with a text that is no object, such as a log. */
  async requestText(request: KubeRequest, signal?: AbortSignal): Promise<string> {
    const ending = new Ending(REQUEST_TIMEOUT, signal);
    try {
      return await (await this.#send(request, ending.signal)).body.text();
    } catch (error) {
      throw asKubeError(`Cannot ${request.method} ${request.path}`, error);
    } finally {
      ending.close();
    }
  }

  /**
   * Gives a text as it comes, such as a log that is followed: it may be silent for as long as it
   * likes.
   */
  async follow(request: KubeRequest, onText: (text: string) => void): Promise<void> {
    try {
      const { body } = await this.#send(request);
      for await (const text of body.setEncoding('utf8')) {
        onText(text);
      }
    } catch (error) {
      throw asKubeError(`Cannot ${request.method} ${request.path}`, error);
    }
  }

  /**
   * Follows a watch until the API server ends it in good order.
   *
   * @throws KubeError when it cannot be begun, breaks off or is silent for too long; and what
   *   `onEvent` throws.
   */
  async watch<T>({ path, query, silence, signal, onOpen, onEvent }: KubeWatch<T>): Promise<void> {
    const ending = new Ending(silence, signal);
    try {
      const request = { method: 'GET', path, query: { ...query, watch: 'true' } } as const;
      const { body } = await this.#send(request, ending.signal);
      onOpen();
      ending.putOff();
      const lines = new Lines();
      for await (const chunk of body) {
        ending.putOff();
        for (const line of lines.take(chunk)) {
          const { type, object } = JSON.parse(line) as { readonly type: string; readonly object: T };
          onEvent(type, object);
        }
      }
    } catch (error) {
      throw asKubeError('The watch ended', error);
    } finally {
      ending.close();
    }
  }

  /** Resolves when the head of an answer is there that is no refusal. */
  async #send({ method, path, query, body, contentType: type }: KubeRequest, signal?: AbortSignal) {
    const server = this.config.getCurrentCluster()?.server;
    if (server === undefined) {
      throw new KubeError(
        'Cannot reach Kubernetes: the kubeconfig has no current cluster. Set a current-context in it.',
        {},
      );
    }
    const parameters = query === undefined ? '' : `?${new URLSearchParams(query)}`;
    const url = server.replace(/\/$/, '') + path + parameters;
    const context = new RequestContext(url, HttpMethod.GET);
    await this.config.applySecurityAuthentication(context);
    const dispatcher = context.getDispatcher();
    const response = await request(url, {
      method,
      headers: {
        ...context.getHeaders(),
        accept: 'application/json',
        'user-agent': USER_AGENT,
        ...(body === undefined ? {} : { 'content-type': type ?? contentType(method) }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...withoutUndefined({ dispatcher, signal }),
    });
    if (response.statusCode < 200 || response.statusCode > 299) {
      const text = await response.body.text();
      throw refusal(`${method} ${path}`, response.statusCode, text, response.headers['retry-after']);
    }
    return response;
  }
}

/**
 * Ends a request by a signal or after a while. An AbortSignal of its own for each cause costs more
 * than the rest of a request.
 */
class Ending {
  readonly #abort = new AbortController();
  readonly #asked: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(milliseconds: number, asked: AbortSignal | undefined) {
    this.#timer = setTimeout(
      () => this.#abort.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')),
      milliseconds,
    );
    this.#asked = asked;
    asked?.addEventListener('abort', this.#end);
    if (asked?.aborted) {
      this.#end();
    }
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The while begins anew. */
  putOff(): void {
    this.#timer.refresh();
  }

  /** Leaves nothing behind. */
  close(): void {
    clearTimeout(this.#timer);
    this.#asked?.removeEventListener('abort', this.#end);
  }

  readonly #end = (): void => this.#abort.abort(this.#asked?.reason);
}

/** Cuts what comes in pieces into lines. */
class Lines {
  #begun: Buffer[] = [];

  /** The lines that this piece completes. */
  *take(piece: Buffer): Iterable<string> {
    let start = 0;
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, start)) {
      const line = piece.subarray(start, end);
      yield (this.#begun.length === 0 ? line : Buffer.concat([...this.#begun, line])).toString('utf8');
      this.#begun = [];
      start = end + 1;
    }
    if (start < piece.length) {
      this.#begun.push(piece.subarray(start));
    }
  }
}

function asKubeError(what: string, error: unknown): KubeError {
  return error instanceof KubeError ? error : new KubeError(`${what}: ${causeOf(error)}`, { cause: error });
}

/**
 * A merge patch sets and removes fields by what it holds, and can carry a resource version to be
 * compared.
 */
function contentType(method: KubeRequest['method']): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
}

function refusal(
  what: string,
  status: number,
  text: string,
  retryAfter: string | string[] | undefined,
): KubeError {
  const { message, reason } = statusOf(text);
  const seconds = Number(retryAfter);
  return new KubeError(message ?? `Cannot ${what}: the API server answered ${status}`, {
    status,
    reason,
    retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  });
}

/** What the API server says in a Status object. */
function statusOf(text: string): { readonly message?: string; readonly reason?: string } {
  try {
    const status: unknown = JSON.parse(text);
    return typeof status === 'object' && status !== null ? status : {};
  } catch {
    return {};
  }
}
