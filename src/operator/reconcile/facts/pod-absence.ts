import { readyReason } from '../../../contract/glance-schema.ts';
import type { Observed } from './observe.ts';

/** Knows since when Jobs have had no pod. */
export interface PodAbsence {
  /**
   * The same with the time since which its Job has no pod, where the status does not report that
   * already.
   */
  of(key: string, observed: Observed): Observed;
  forget(key: string): void;
}

/**
 * Of a pod that is gone the Job does not say when it went: a Job may be old, and its pod deleted a
 * moment ago. What counts is since when this process has seen none.
 */
export function podAbsence(now: () => Date): PodAbsence {
  const absent = new Map<string, { readonly job: string; readonly since: number }>();
  return {
    of(key, observed) {
      const { job, schema } = observed;
      if (job?.state.kind !== 'active' || job.state.pod.kind !== 'none') {
        absent.delete(key);
        return observed;
      }
      const known = absent.get(key);
      const time = now().getTime();
      // A clock that was put back must not make it wait for longer.
      const since = known?.job === job.uid ? Math.min(known.since, time) : time;
      absent.set(key, { job: job.uid, since });
      const isReported = readyReason(schema.status) === 'JobBlocked' && schema.status.job?.uid === job.uid;
      const pod = { ...job.state.pod, since: new Date(since).toISOString() };
      return isReported ? observed : { ...observed, job: { ...job, state: { ...job.state, pod } } };
    },
    forget: (key) => void absent.delete(key),
  };
}
