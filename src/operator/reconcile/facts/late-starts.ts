import type { Observed, PodState } from './observe.ts';

/** Knows of which Jobs no container has begun. */
export interface LateStarts {
  /** The same, with the mark of a Job that has ended before its migration began. */
  of(key: string, observed: Observed): Observed;
  forget(key: string): void;
}

/**
 * The pod of a Job that reached its deadline is gone with the Job's end, and nothing else says
 * whether its migration had begun. What counts is what this process has seen of it.
 */
export function lateStarts(): LateStarts {
  const seen = new Map<string, { readonly job: string; readonly begun: boolean }>();
  return {
    of(key, observed) {
      const { job } = observed;
      const known = seen.get(key);
      if (job === undefined) {
        return observed;
      }
      const { state } = job;
      if (state.kind === 'active') {
        const before = known?.job === job.uid && known.begun;
        seen.set(key, {
          job: job.uid,
          begun: before || state.lastReport !== undefined || !isWaiting(state.pod),
        });
        return observed;
      }
      return known?.job === job.uid && !known.begun
        ? { ...observed, job: { ...job, state: { ...state, neverBegan: true } } }
        : observed;
    },
    forget: (key) => void seen.delete(key),
  };
}

function isWaiting(pod: PodState): boolean {
  return (
    pod.kind === 'starting' ||
    pod.kind === 'blocked' ||
    pod.kind === 'suspended' ||
    (pod.kind === 'none' && pod.failed === 0)
  );
}
