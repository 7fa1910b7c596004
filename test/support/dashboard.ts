import { readFileSync } from 'node:fs';

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource?: { readonly uid: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly Target[];
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: unknown;
}

/** As much of a Grafana dashboard as the tests look at. */
export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

/** The dashboard of manifests/monitoring. */
export function readDashboard(): Dashboard {
  return JSON.parse(
    readFileSync(new URL('../../manifests/monitoring/dashboard.json', import.meta.url), 'utf8'),
  );
}

/** A query with Grafana's variables filled in, as Prometheus gets it. */
export function readable(query: string): string {
  return query.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*');
}
