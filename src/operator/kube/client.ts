import { StringDecoder } from 'node:string_decoder';
import { type Answer, type ExchangeOptions, exchange, isSuccess } from './exchange.ts';
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
    try {
      return (await this.#send(request, { timeout: REQUEST_TIMEOUT, signal })).text;
    } catch (error) {
      throw asKubeError(`Cannot ${request.method} ${request.path}`, error);
    }
  }

  /**
   * Gives a text as it comes, such as a log that is followed: it may be silent for as long as it
   * likes.
   */
  async follow(request: KubeRequest, onText: (text: string) => void): Promise<void> {
    try {
      const decoder = new StringDecoder('utf8');
      await this.#send(request, { onData: (piece) => onText(decoder.write(piece)) });
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
    const lines = new Lines();
    try {
      await this.#send(
        { method: 'GET', path, query: { ...query, watch: 'true' } },
        {
          timeout: silence,
          signal,
          onHead: (status) => {
            if (isSuccess(status)) {
              onOpen();
            }
          },
          onData: (piece) => {
            for (const line of lines.take(piece)) {
              const { type, object } = JSON.parse(line) as { readonly type: string; readonly object: T };
              onEvent(type, object);
            }
          },
        },
      );
    } catch (error) {
      throw asKubeError('The watch ended', error);
    }
  }

  /** Resolves when all of an answer is there that is no refusal. */
  async #send(
    { method, path, query, body, contentType: type }: KubeRequest,
    { onHead, ...options }: ExchangeOptions,
  ): Promise<Answer> {
    const { origin, host, prefix, headers, dispatcher } = await this.config.access();
    const parameters = query === undefined ? '' : `?${new URLSearchParams(query)}`;
    const began = performance.now();
    let answered = false;
    const observe = (status: number | undefined): void => {
      answered = true;
      const seconds = (performance.now() - began) / 1000;
      this.config.onRequest?.({ method, host, status, seconds });
    };
    const answer = await exchange(
      dispatcher,
      {
        origin,
        path: prefix + path + parameters,
        method,
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': USER_AGENT,
          ...(body === undefined ? {} : { 'content-type': type ?? contentType(method) }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
      {
        ...options,
        onHead: (status) => {
          observe(status);
          onHead?.(status);
        },
      },
    ).catch((error: unknown) => {
      if (!answered) {
        observe(undefined);
      }
      throw error;
    });
    if (!isSuccess(answer.status)) {
      if (answer.status === 401) {
        this.config.forgetAccess();
      }
      throw refusal(`${method} ${path}`, answer);
    }
    return answer;
  }
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

/**
 * No longer is waited for than this, in milliseconds, whatever is asked: what stands before an API
 * server may ask for hours, and for more than a timer can count it would be asked again at once.
 */
const LONGEST_RETRY_AFTER = 300_000;

function refusal(what: string, { status, headers, text }: Answer): KubeError {
  const { message, reason } = statusOf(text);
  const seconds = Number(headers['retry-after']);
  return new KubeError(message ?? `Cannot ${what}: the API server answered ${status}`, {
    status,
    reason,
    retryAfter: Number.isFinite(seconds) ? Math.min(seconds * 1000, LONGEST_RETRY_AFTER) : undefined,
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
