import type { AgentOptions } from 'node:https';
import { type Cluster, KubeConfig, type RequestContext } from '@kubernetes/client-node';
import { Agent, type buildConnector, type Dispatcher } from 'undici';
import { observeRequests, type RequestOutcome } from './observe-requests.ts';

type DispatcherOptions = ReturnType<KubeConfig['createDispatcherOptions']>;
type ConnectOptions = Extract<DispatcherOptions, { type: 'agent' }>['connect'];

/**
 * The most connections that are open to the API server at once besides the watches, each of which
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
  /**
   * Told of each request, watches included; of none behind a proxy, where the library connects by
   * itself.
   */
  onRequest: ((outcome: RequestOutcome) => void) | undefined;

  /** @param watches how many watches there will be at once. */
  constructor(watches: number) {
    super();
    this.#connections = CONNECTIONS + watches;
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
          bodyTimeout: 0,
        }).compose(observeRequests((outcome) => this.onRequest?.(outcome))),
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
