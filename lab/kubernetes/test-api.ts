import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';

/**
 * The smallest client of the API server that the test tools need. Deliberately none of the
 * operator's own code, and not the library that it uses: a fault there must not hide in the tool
 * that is to show it, and a second of start-up is saved.
 */
export interface TestApi {
  readonly server: string;
  /** Any answer of the server is a value, 4xx and 5xx included; only a broken connection throws. */
  request(method: string, path: string, body?: unknown, options?: ApiRequestOptions): Promise<ApiAnswer>;
  /**
   * Like `request`, but throws an Error with the server's message on any status of 400 and more.
   */
  call(method: string, path: string, body?: unknown, options?: ApiRequestOptions): Promise<KubeObject>;
  /**
   * Follows a watch until the server ends it (returns), it breaks (throws) or `signal` aborts
   * (returns).
   */
  watch(path: string, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void>;
  close(): void;
}

/**
 * How a request of a test differs from the usual; the timeout is a minute where none is given.
 */
export interface ApiRequestOptions {
  /** Default: application/json, for PATCH application/merge-patch+json. */
  readonly contentType?: string;
  readonly timeoutMilliseconds?: number;
}

/** What the API server answered; an error status is an answer too, and is not thrown. */
export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
  /** The parsed answer; an empty object where it is no JSON object. */
  readonly body: KubeObject;
}

/** As much of any object as all of them share; the rest is read by the fields that a test knows. */
export interface KubeObject {
  readonly kind?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly metadata?: KubeMetadata;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what the server sent, of whatever kind.
  readonly [field: string]: any;
}

/** The metadata of any object of Kubernetes; times are RFC 3339. */
export interface KubeMetadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: see KubeObject.
  readonly [field: string]: any;
}

/**
 * An event of a watch, as the API server sends it.
 *
 * Source:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubeObject;
}

/** Which API server is called, and as whom. */
export interface TestApiOptions {
  readonly server: string;
  readonly token: string;
  readonly ca: string | Buffer;
  readonly userAgent?: string;
}

/**
 * After this a connection without a request is closed: well before the API server does it itself,
 * after 90 s, which a request that is on its way takes for a break.
 */
export const IDLE_MILLISECONDS = 30_000;

/**
 * A client of the API server that is not the operator's own, so that tests do not check it by
 * itself.
 */
export function testApi(client: TestApiOptions): TestApi {
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS, ca: client.ca });
  const base = new URL(client.server);

  function requestOptions(method: string, path: string, contentType: string | null): RequestOptions {
    const headers: Record<string, string> = {
      authorization: `Bearer ${client.token}`,
      accept: 'application/json',
      'user-agent': client.userAgent ?? 'glance-schema-test',
    };
    if (contentType !== null) headers['content-type'] = contentType;
    return { agent, method, host: base.hostname, port: base.port, path, headers };
  }

  function request(
    method: string,
    path: string,
    body?: unknown,
    extra: ApiRequestOptions = {},
  ): Promise<ApiAnswer> {
    const usual = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const contentType = body === undefined ? null : (extra.contentType ?? usual);
    const content = body === undefined ? null : JSON.stringify(body);
    const options = requestOptions(method, path, contentType);
    // Node sends neither length nor chunks with a DELETE by itself, and the body then spoils the
    // next request.
    if (content !== null)
      options.headers = { ...options.headers, 'content-length': Buffer.byteLength(content) };
    return new Promise((resolve, reject) => {
      const call = httpsRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, text, body: parseObject(text) });
        });
      });
      call.setTimeout(extra.timeoutMilliseconds ?? 60_000, () =>
        call.destroy(new Error(`${method} ${path}: no answer`)),
      );
      call.on('error', reject);
      call.end(content ?? undefined);
    });
  }

  async function call(
    method: string,
    path: string,
    body?: unknown,
    extra?: ApiRequestOptions,
  ): Promise<KubeObject> {
    const answer = await request(method, path, body, extra);
    if (answer.status < 400) return answer.body;
    throw new Error(`Cannot ${method} ${path}: ${answer.status} ${answer.body.message ?? answer.text}`);
  }

  function watch(path: string, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = httpsRequest(requestOptions('GET', path, null), (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          reject(new Error(`Cannot watch ${path}: ${response.statusCode}`));
          return;
        }
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          try {
            for (const line of lines) if (line !== '') onEvent(JSON.parse(line));
          } catch (error) {
            reject(error);
            call.destroy();
          }
        });
        response.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
        response.on('end', resolve);
        response.on('close', resolve);
      });
      const abort = (): void => void call.destroy();
      signal.addEventListener('abort', abort, { once: true });
      call.on('close', () => signal.removeEventListener('abort', abort));
      call.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
      call.end();
      if (signal.aborted) abort();
    });
  }

  return { server: client.server, request, call, watch, close: () => agent.destroy() };
}

function parseObject(text: string): KubeObject {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}
