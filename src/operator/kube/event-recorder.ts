import { exponentialBackoff } from '../time/backoff.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './kube-error.ts';

/** An Event as it is sent; the API reference, events.k8s.io/v1, has the other fields. */
export interface EventObject {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly reason: string;
  readonly regarding: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** How Events are delivered. */
export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'request'>;
  /** Called when an Event is given up; of a cause that lasts only with the first. */
  readonly onTrouble: (error: Error) => void;
  /** How many Events may wait at once; default: MOST_PENDING. */
  readonly most?: number;
}

/** Source: maxTriesPerEvent and maxQueuedEvents in tools/record/event.go of k8s.io/client-go. */
const TRIES = 12;
const MOST_PENDING = 1000;

/** In milliseconds; twelve tries take some two minutes. */
const RETRY = { first: 500, most: 15_000 };

/**
 * Answers in the 400s after which the same may be taken later: an old token, a timeout, a conflict,
 * too many requests.
 */
const PASSING = [401, 408, 409, 429];

interface Pending {
  readonly event: EventObject;
  failures: number;
  /** Of the next try; undefined while one is under way. */
  timer: NodeJS.Timeout | undefined;
}

/**
 * Delivers Events: each is tried again until the API server has it, and is there once even where an
 * answer was lost, as its name is given before the first try. It holds up nobody and never fails.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** Oldest first. */
  readonly #pending = new Set<Pending>();
  /** The namespaces in which an Event was refused for good, and none was taken since. */
  readonly #refusing = new Set<string>();
  #overflowing = false;
  #closing = false;
  #onDelivered: (() => void) | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** Has an Event delivered; its name must be one that no other has. */
  record(event: EventObject): void {
    const { most = MOST_PENDING } = this.#options;
    const [oldest] = this.#pending;
    if (oldest !== undefined && this.#pending.size >= most) {
      clearTimeout(oldest.timer);
      this.#forget(oldest);
      if (!this.#overflowing) {
        this.#overflowing = true;
        this.#options.onTrouble(
          new Error(
            `${most} Events wait for the API server, and the oldest are given up. What they say is in the log and in the status.`,
          ),
        );
      }
    }
    const pending: Pending = { event, failures: 0, timer: undefined };
    this.#pending.add(pending);
    void this.#try(pending);
  }

  /** Tries what waits at once, and resolves when all is delivered or after so many milliseconds. */
  async close(milliseconds: number): Promise<void> {
    this.#closing = true;
    for (const pending of this.#pending) {
      if (pending.timer !== undefined) {
        clearTimeout(pending.timer);
        pending.timer = undefined;
        void this.#try(pending);
      }
    }
    if (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#onDelivered = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const { size } = this.#pending;
    for (const { timer } of this.#pending) {
      clearTimeout(timer);
    }
    this.#pending.clear();
    if (size > 0) {
      this.#options.onTrouble(
        new Error(`${size} of them could not be delivered before the end. What they say is in the log.`),
      );
    }
  }

  async #try(pending: Pending): Promise<void> {
    const { namespace } = pending.event.metadata;
    try {
      await this.#options.client.request({
        method: 'POST',
        path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
        body: pending.event,
      });
      this.#refusing.delete(namespace);
      this.#forget(pending);
    } catch (error) {
      if (this.#pending.has(pending)) {
        this.#failed(pending, error);
      }
    }
  }

  #failed(pending: Pending, error: unknown): void {
    const { namespace } = pending.event.metadata;
    pending.failures += 1;
    if (error instanceof KubeError && error.reason === 'AlreadyExists') {
      // An earlier try was taken, and its answer got lost.
      this.#forget(pending);
    } else if (isFinal(error)) {
      this.#forget(pending);
      if (!this.#refusing.has(namespace)) {
        this.#refusing.add(namespace);
        this.#options.onTrouble(notDelivered(pending.event, error));
      }
    } else if (pending.failures >= TRIES) {
      this.#forget(pending);
      this.#options.onTrouble(notDelivered(pending.event, error));
    } else {
      pending.timer = setTimeout(
        () => {
          pending.timer = undefined;
          void this.#try(pending);
        },
        this.#delay(pending.failures, error),
      );
    }
  }

  #delay(failures: number, error: unknown): number {
    if (this.#closing) {
      return RETRY.first;
    }
    const asked = error instanceof KubeError ? (error.retryAfter ?? 0) : 0;
    return Math.max(asked, exponentialBackoff(failures, RETRY));
  }

  #forget(pending: Pending): void {
    this.#pending.delete(pending);
    if (this.#pending.size === 0) {
      this.#overflowing = false;
      this.#onDelivered?.();
    }
  }
}

/**
 * Whether no other try can be taken: no right, a policy, a namespace that is being deleted, an
 * object that is not valid.
 */
function isFinal(error: unknown): boolean {
  const status = error instanceof KubeError ? (error.status ?? 0) : 0;
  return status >= 400 && status < 500 && !PASSING.includes(status);
}

function notDelivered({ metadata, reason, regarding }: EventObject, error: unknown): Error {
  const why = error instanceof Error ? error.message : String(error);
  return new Error(`${reason} of ${metadata.namespace}/${regarding.name} is not delivered: ${why}`, {
    cause: error,
  });
}
