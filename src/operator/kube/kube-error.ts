/** A request that the API server refused, or that never reached it. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  /** The API server's reason (`AlreadyExists`, `Conflict`, `Forbidden`), where it gave one. */
  readonly reason: string | undefined;
  /** How long the API server asks to wait, in milliseconds; five minutes at the most. */
  readonly retryAfter: number | undefined;

  constructor(
    message: string,
    details: {
      readonly status?: number | undefined;
      readonly reason?: string | undefined;
      readonly retryAfter?: number | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: details.cause });
    this.status = details.status;
    this.reason = details.reason;
    this.retryAfter = details.retryAfter;
  }
}

/** Whether an error is the API server's answer with this HTTP status. */
export function hasStatus(error: unknown, status: number): error is KubeError {
  return error instanceof KubeError && error.status === status;
}

/** The innermost message of an error, which says most. */
export function causeOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause !== undefined) {
    innermost = innermost.cause;
  }
  return innermost instanceof Error ? innermost.message : String(innermost);
}
