import { HttpMethod, RequestContext } from '@kubernetes/client-node';
import { fetch } from 'undici';
import { causeOf, KubeError } from './kube-error.ts';
import type { PooledKubeConfig } from './pooled-kube-config.ts';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the API server's root: `/api/v1/pods`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Of the body; default: JSON, or a merge patch. */
  readonly contentType?: string;
}

/** How long a request other than a watch may take, in milliseconds. */
const REQUEST_TIMEOUT = 30_000;

const USER_AGENT = 'glance-schema';

/** Requests to the API server, over the connections and with the identity of a KubeConfig. Objects are plain JSON. */
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
   * @throws KubeError when the API server refuses, does not answer in 30 seconds, or cannot be reached.
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
    const server = this.config.getCurrentCluster()?.server;
    if (server === undefined) {
      throw new KubeError(
        'Cannot reach Kubernetes: the kubeconfig has no current cluster. Set a current-context in it.',
        {},
      );
    }
    const url = new URL(server.replace(/\/$/, '') + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      url.searchParams.set(name, value);
    }
    const context = new RequestContext(url.toString(), HttpMethod.GET);
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT);
    const what = `${request.method} ${request.path}`;
    try {
      await this.config.applySecurityAuthentication(context);
      const dispatcher = context.getDispatcher();
      const response = await fetch(url, {
        method: request.method,
        headers: {
          ...context.getHeaders(),
          accept: 'application/json',
          'user-agent': USER_AGENT,
          ...(request.body === undefined
            ? {}
            : { 'content-type': request.contentType ?? contentType(request.method) }),
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        ...(dispatcher === undefined ? {} : { dispatcher }),
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      });
      const text = await response.text();
      if (!response.ok) {
        throw refusal(what, response.status, text, response.headers.get('retry-after'));
      }
      return text;
    } catch (error) {
      if (error instanceof KubeError) {
        throw error;
      }
      throw new KubeError(`Cannot ${what}: ${causeOf(error)}`, { cause: error });
    }
  }
}

/** A merge patch sets and removes fields by what it holds, and can carry a resource version to be compared. */
function contentType(method: KubeRequest['method']): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
}

function refusal(what: string, status: number, text: string, retryAfter: string | null): KubeError {
  const { message, reason } = statusOf(text);
  const seconds = Number(retryAfter);
  return new KubeError(message ?? `Cannot ${what}: the API server answered ${status}`, {
    status,
    reason,
    retryAfter: retryAfter !== null && Number.isFinite(seconds) ? seconds * 1000 : undefined,
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
