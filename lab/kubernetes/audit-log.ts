import { existsSync, readFileSync } from 'node:fs';

/**
 * One line of the API server's audit log, with what tests ask for. Source: audit.k8s.io/v1 Event.
 */
export interface AuditEvent {
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic';
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
}

/** Which events of the audit log are wanted; what is absent matches all. */
export interface AuditFilter {
  readonly user?: string;
  /** The start of the user agent. */
  readonly userAgent?: string;
  readonly verb?: string;
  readonly resource?: string;
  readonly stage?: AuditEvent['stage'];
  /** Requests that were received after this moment. */
  readonly since?: Date;
}

/**
 * The events of an audit log that match, the oldest first; none where the file is not there yet.
 */
export function readAuditEvents(file: string, filter: AuditFilter): readonly AuditEvent[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  // The last one is empty, or still being written.
  lines.pop();
  return lines.map((line): AuditEvent => JSON.parse(line)).filter((event) => matches(event, filter));
}

function matches(event: AuditEvent, filter: AuditFilter): boolean {
  if (filter.user !== undefined && event.user.username !== filter.user) return false;
  if (filter.userAgent !== undefined && !(event.userAgent ?? '').startsWith(filter.userAgent)) return false;
  if (filter.verb !== undefined && event.verb !== filter.verb) return false;
  if (filter.resource !== undefined && event.objectRef?.resource !== filter.resource) return false;
  if (filter.stage !== undefined && event.stage !== filter.stage) return false;
  return filter.since === undefined || new Date(event.requestReceivedTimestamp) > filter.since;
}
