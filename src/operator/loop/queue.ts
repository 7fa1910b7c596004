/** How a key is put off after failures, and who hears of it. */
export interface WorkQueueOptions {
  /**
   * The delay in milliseconds before the next try of a key that has failed `failures` times in a
   * row, from 1.
   */
  readonly backoff: (failures: number) => number;
  readonly events?: WorkQueueEvents;
}

/** What a queue reports of its keys, for metrics. */
export interface WorkQueueEvents {
  /** A key waits that did not wait before. */
  added(): void;
  /** A key is to be added later. */
  putOff(): void;
  /** A key was taken after so many seconds. */
  begun(waited: number): void;
  /** The work on a key has ended after so many seconds. */
  ended(worked: number): void;
}

/**
 * The work queue of Kubernetes' controllers: a key waits once, is worked on once at a time, and is
 * worked on again if it is added meanwhile. Delayed adds keep the earliest time.
 *
 * Source: k8s.io/client-go, util/workqueue.
 */
export class WorkQueue {
  readonly #backoff: (failures: number) => number;
  readonly #events: WorkQueueEvents | undefined;
  /** Since when each key waits, and is worked on, as performance.now() has it. */
  readonly #waiting = new Map<string, number>();
  readonly #working = new Map<string, number>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #delayed = new Map<string, { readonly due: number; readonly timer: NodeJS.Timeout }>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#backoff = options.backoff;
    this.#events = options.events;
  }

  /** How many keys wait to be worked on now. */
  get depth(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#closed) {
      return;
    }
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    if (!this.#waiting.has(key)) {
      this.#waiting.set(key, performance.now());
      this.#events?.added();
    }
    this.#hand();
  }

  /** Adds the key after `milliseconds`, unless it is due earlier already. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#closed) {
      return;
    }
    const due = Date.now() + milliseconds;
    const earlier = this.#delayed.get(key);
    if (earlier !== undefined) {
      if (earlier.due <= due) {
        return;
      }
      clearTimeout(earlier.timer);
    }
    this.#events?.putOff();
    const timer = setTimeout(() => {
      this.#delayed.delete(key);
      this.add(key);
    }, milliseconds);
    this.#delayed.set(key, { due, timer });
  }

  /**
   * Adds the key after a delay that grows with each failure since the last `forget`, and is no
   * shorter than `least` milliseconds.
   */
  addRateLimited(key: string, least = 0): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.addAfter(key, Math.max(least, this.#backoff(failures)));
  }

  /** Ends the key's row of failures. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * The next key, as soon as there is one; undefined once the queue is closed. Pair each key with
   * `done`.
   */
  take(): Promise<string | undefined> {
    const [key] = this.#waiting.keys();
    if (key !== undefined) {
      this.#start(key);
      return Promise.resolve(key);
    }
    if (this.#closed) {
      return Promise.resolve(undefined);
    }
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** Ends the work on a key that `take` gave. */
  done(key: string): void {
    const since = this.#working.get(key);
    this.#working.delete(key);
    if (since !== undefined) {
      this.#events?.ended((performance.now() - since) / 1000);
    }
    if (this.#again.delete(key)) {
      this.add(key);
    }
  }

  /**
   * Takes in nothing more and wakes those that wait; keys that are being worked on are finished by
   * their workers.
   */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#again.clear();
    for (const { timer } of this.#delayed.values()) {
      clearTimeout(timer);
    }
    this.#delayed.clear();
    for (const taker of this.#takers.splice(0)) {
      taker(undefined);
    }
  }

  #hand(): void {
    const [key] = this.#waiting.keys();
    const taker = key === undefined ? undefined : this.#takers.shift();
    if (key !== undefined && taker !== undefined) {
      this.#start(key);
      taker(key);
    }
  }

  #start(key: string): void {
    const now = performance.now();
    this.#events?.begun((now - (this.#waiting.get(key) ?? now)) / 1000);
    this.#waiting.delete(key);
    this.#working.set(key, now);
  }
}
