import { get } from 'node:http';
import type { Container, Probe } from './pod.ts';

/**
 * Follows a container's readiness probe until `signal` aborts, and tells each change. Without a
 * probe: ready at once.
 */
export function followReadiness(
  container: Container,
  onChange: (ready: boolean) => void,
  signal: AbortSignal,
): void {
  const probe = container.readinessProbe;
  const url = probe?.httpGet === undefined ? null : probeUrl(container, probe);
  if (probe === undefined || url === null) {
    onChange(true);
    return;
  }
  const period = (probe.periodSeconds ?? 10) * 1000;
  let ready = false;
  let inARow = 0;

  const once = async (): Promise<void> => {
    const good = await answersWell(url, (probe.timeoutSeconds ?? 1) * 1000);
    if (signal.aborted) return;
    inARow = good === ready ? 0 : inARow + 1;
    const needed = good ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (good !== ready && inARow >= needed) {
      ready = good;
      inARow = 0;
      onChange(ready);
    }
    // A kubelet asks at its period only. Until the first success this asks faster, to keep tests
    // short.
    timer = setTimeout(once, ready ? period : Math.min(period, 100));
  };

  let timer = setTimeout(once, (probe.initialDelaySeconds ?? 0) * 1000);
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}

function probeUrl(container: Container, probe: Probe): string | null {
  const wanted = probe.httpGet?.port;
  const port =
    typeof wanted === 'number'
      ? wanted
      : container.ports?.find((each) => each.name === wanted)?.containerPort;
  return port === undefined ? null : `http://127.0.0.1:${port}${probe.httpGet?.path ?? '/'}`;
}

function answersWell(url: string, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { timeout, agent: false }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
