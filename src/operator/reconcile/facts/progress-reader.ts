import { type ProgressReport, parseProgress } from '../../../contract/progress.ts';
import type { Cluster } from '../../kube/cluster.ts';
import type { Observed, ObservedProgress } from './observe.ts';

/**
 * How long a pod is at work before its log is read, and how long until it is read again, in
 * milliseconds.
 */
const PACE = 10_000;

/**
 * How long a reading is waited for before the next reconcile, in milliseconds; more than it may take.
 */
const READING = 2_500;

/** Knows how far migrations have come. */
export interface ProgressReader {
  /**
   * What is known of the pod that is at work for a key; undefined when none is. A reading that is
   * due goes on by itself after the answer, so that a reconcile never waits for a log, and never fails
   * by one.
   */
  of(key: string, observed: Observed): ObservedProgress | undefined;
  forget(key: string): void;
}

interface Watched {
  readonly pod: string;
  reported: ProgressReport | undefined;
  /** When the log is read next. */
  due: number;
  reading: boolean;
}

/**
 * Reads the progress of migrations in the logs of their pods, on the side: a reconcile gets what
 * was read last.
 */
export function progressReader(cluster: Pick<Cluster, 'readLog'>, now: () => Date): ProgressReader {
  const watched = new Map<string, Watched>();

  async function read(namespace: string, pod: Watched): Promise<void> {
    pod.reading = true;
    try {
      pod.reported = parseProgress(await cluster.readLog(namespace, pod.pod)) ?? pod.reported;
    } catch {
      // Progress is a courtesy: what cannot be read is left out without an error.
    } finally {
      pod.reading = false;
    }
  }

  return {
    of(key, { schema, job }) {
      const state = job?.state;
      if (
        state?.kind !== 'active' ||
        state.pod.kind !== 'running' ||
        job?.marked === true ||
        job?.purpose?.target == null
      ) {
        watched.delete(key);
        return undefined;
      }
      const { pod } = state.pod;
      const time = now().getTime();
      let known = watched.get(key);
      if (known?.pod !== pod) {
        // Its time counts from here and not from its own word: the clock of its node may be
        // another.
        known = { pod, reported: undefined, due: time + PACE, reading: false };
        watched.set(key, known);
      }
      // A clock that was put back must not hold it up.
      known.due = Math.min(known.due, time + PACE);
      if (known.due <= time && !known.reading) {
        known.due = time + PACE;
        void read(schema.namespace, known);
      }
      return { reported: known.reported, requeueAt: known.reading ? time + READING : known.due };
    },
    forget: (key) => void watched.delete(key),
  };
}
