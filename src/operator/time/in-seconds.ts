/** A time in milliseconds since the epoch, RFC 3339 in whole seconds, as Kubernetes writes its own. */
export function inSeconds(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
