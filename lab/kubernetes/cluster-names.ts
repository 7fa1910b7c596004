import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Where a Service leads: what the containers of the fake kubelet lack of a cluster's DNS and
 * Services.
 */
export interface ClusterNames {
  /** What to start Node with, so that connections to a Service go to where it leads. */
  readonly nodeOptions: readonly string[];
  /** Says where each Service leads, named `host:port`. */
  lead(services: Readonly<Record<string, { readonly host: string; readonly port: number }>>): void;
  remove(): void;
}

/**
 * Lets programs of Node on this machine resolve Services of the cluster, by a file that is loaded
 * before them.
 */
export function clusterNames(): ClusterNames {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-names-'));
  chmodSync(folder, 0o755);
  const file = join(folder, 'names.cjs');
  return {
    nodeOptions: ['--require', file],
    lead: (services) => writeFileSync(file, `const services = ${JSON.stringify(services)};\n${PRELOAD}`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * Drivers open sockets by `net`: with port and host, or with options, which `net.connect` puts into
 * a list.
 */
const PRELOAD = `const { Socket } = require('node:net');
const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  const [first, host, ...rest] = args;
  const options = Array.isArray(first) ? first[0] : first;
  const wanted = typeof options === 'object' ? options : { host, port: first };
  const place = services[wanted.host + ':' + wanted.port];
  if (place === undefined) {
    return connect.apply(this, args);
  }
  if (wanted !== options) {
    return connect.call(this, place.port, place.host, ...rest);
  }
  Object.assign(options, place);
  return connect.apply(this, args);
};
`;
