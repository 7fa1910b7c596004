/** How many requests of one sort the API server has answered: `PUT leases` and the like. */
export type RequestCounts = ReadonlyMap<string, number>;

/**
 * The API server's `apiserver_request_total` by verb and resource, of everybody. Requests that
 * concern no resource, such as that for the metrics themselves, are left out.
 */
export function requestCounts(metrics: string): RequestCounts {
  const counts = new Map<string, number>();
  for (const [, labels = '', count] of metrics.matchAll(/^apiserver_request_total\{(.*)\} (\S+)$/gm)) {
    const { verb, resource, subresource } = Object.fromEntries(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    );
    if (!resource) continue;
    const sort = `${verb} ${resource}${subresource ? `/${subresource}` : ''}`;
    counts.set(sort, (counts.get(sort) ?? 0) + Number(count));
  }
  return counts;
}

/** What came since `before`; sorts of which none came are left out. */
export function newRequests(before: RequestCounts, after: RequestCounts): RequestCounts {
  return new Map(
    [...after]
      .map(([sort, count]): [string, number] => [sort, count - (before.get(sort) ?? 0)])
      .filter(([, count]) => count !== 0),
  );
}

/** Whether it changes something. */
export function isWrite(sort: string): boolean {
  return !/^(GET|LIST|WATCH) /.test(sort);
}
