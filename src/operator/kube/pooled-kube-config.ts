import type { AgentOptions } from 'node:https';
import { type Cluster, HttpMethod, KubeConfig, RequestContext } from '@kubernetes/client-node';
import { Agent, type buildConnector, type Dispatcher, getGlobalDispatcher } from 'undici';
import { causeOf, KubeError } from './kube-error.ts';

/** How one request went. */
export interface RequestOutcome {
  readonly method: string;
  /** Host and port. */
  readonly host: string;
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  /** Until the head of the answer was there, in seconds. */
  readonly seconds: number;
}

/** How the API server is reached, and as whom. */
export interface Access {
  /** `https://10.0.0.1:6443`, and its host and port. */
  readonly origin: string;
  readonly host: string;
  /** What comes before each path; mostly empty. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
}

/**
 * For how long further requests go by what was read of the kubeconfig and its files, in
 * milliseconds. To read them for each request costs as much as the request.
 */
const FRESH = 1_000;

type DispatcherOptions = ReturnType<KubeConfig['createDispatcherOptions']>;
type ConnectOptions = Extract<DispatcherOptions, { type: 'agent' }>['connect'];

/**
 * The most connections that are open to the API server at once, apart from the watches, each of which
 * has one for itself.
 */
const CONNECTIONS = 13;

/**
 * The library's KubeConfig with one set of connections. The library itself makes a new agent, and
 * with it a new TLS connection, for every request. A change of the CA or of a client certificate
 * makes a new set.
 */
export class PooledKubeConfig extends KubeConfig {
  readonly #connections: number;
  #pool: { readonly connect: ConnectOptions; readonly agent: Dispatcher } | undefined;
  #connect: ConnectOptions | undefined;
  #access: { readonly read: Promise<Access>; readonly until: number } | undefined;
  /** Called for each request, watches included. */
  onRequest: ((outcome: RequestOutcome) => void) | undefined;

  /** @param watches how many watches there will be at once. */
  constructor(watches: number) {
    super();
    this.#connections = CONNECTIONS + watches;
  }

  /**
   * How a request reaches the API server now: a token, a CA or a certificate that has changed is
   * seen after a second.
   *
   * @throws KubeError when the kubeconfig names no server, or a file or a program of its user gives
   *   no credentials.
   */
  async access(): Promise<Access> {
    const now = performance.now();
    if (this.#access === undefined || now >= this.#access.until) {
      this.#access = { read: this.#readAccess(), until: now + FRESH };
    }
    const { read } = this.#access;
    try {
      return await read;
    } catch (error) {
      this.forgetAccess();
      throw error;
    }
  }

  /** Has the next request read again who it comes from. */
  forgetAccess(): void {
    this.#access = undefined;
  }

  async #readAccess(): Promise<Access> {
    const server = this.getCurrentCluster()?.server;
    if (server === undefined) {
      throw new KubeError(
        'Cannot reach Kubernetes: the kubeconfig has no current cluster. Set a current-context in it.',
        {},
      );
    }
    const context = new RequestContext(server, HttpMethod.GET);
    try {
      await this.applySecurityAuthentication(context);
    } catch (error) {
      const said = causeOf(error).trim();
      throw new KubeError(
        `Cannot get the credentials of the context '${this.getCurrentContext()}'${said && `: ${said}`}. Log in again, or correct the user of that context in the kubeconfig.`,
        { cause: error },
      );
    }
    const { origin, host, pathname } = new URL(server);
    return {
      origin,
      host,
      prefix: pathname.replace(/\/$/, ''),
      headers: context.getHeaders(),
      dispatcher: context.getDispatcher() ?? getGlobalDispatcher(),
    };
  }

  override createDispatcherOptions(cluster: Cluster | null, agentOptions: AgentOptions): DispatcherOptions {
    const options = super.createDispatcherOptions(cluster, agentOptions);
    if (options.type === 'agent' || options.type === 'none') {
      this.#connect = options.type === 'agent' ? options.connect : { keepAlive: true };
      return { type: 'none' };
    }
    // Behind a proxy the library's own dispatcher is used as it is.
    this.#connect = undefined;
    return options;
  }

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context);
    if (this.#connect !== undefined) {
      context.setDispatcher(this.#agentFor(this.#connect));
    }
  }

  /** Ends all connections; requests and watches that are under way fail. */
  async close(): Promise<void> {
    await this.#pool?.agent.destroy();
    this.#pool = undefined;
    this.forgetAccess();
  }

  #agentFor(connect: ConnectOptions): Dispatcher {
    if (this.#pool === undefined || !areSame(this.#pool.connect, connect)) {
      // Not closed: what is under way on the old connections may end; they are idle soon and then
      // time out.
      this.#pool = {
        connect,
        agent: new Agent({
          // The library's type of the same options, which only lists its undefined members
          // otherwise.
          connect: connect as buildConnector.BuildOptions,
          connections: this.#connections,
          // A stream of HTTP/2 costs Node twice as much as a request of HTTP/1.1 does.
          allowH2: false,
          bodyTimeout: 0,
        }),
      };
    }
    return this.#pool.agent;
  }
}

/**
 * Whether they lead to the same connections. This is asked for each request: certificates are
 * compared as the bytes that they are.
 */
function areSame(one: ConnectOptions, other: ConnectOptions): boolean {
  const [first, second] = [Object.entries(one ?? {}), Object.entries(other ?? {})];
  return (
    first.length === second.length &&
    first.every(([name, value], index) => {
      const [otherName, otherValue] = second[index] ?? [];
      return name === otherName && (value === otherValue || areSameBytes(value, otherValue));
    })
  );
}

function areSameBytes(one: unknown, other: unknown): boolean {
  return Buffer.isBuffer(one) && Buffer.isBuffer(other) && one.equals(other);
}
