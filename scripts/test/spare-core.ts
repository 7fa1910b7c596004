import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** The part of one core that has to be idle, on average. */
const SPARE = 0.5;

/** How the machine is watched. */
export interface Watching {
  /** How long all cores have been idle, added up, in milliseconds; by default since the machine's start. */
  readonly idle?: () => number;
  /** For how long it is watched before it is judged, in milliseconds. */
  readonly watched?: number;
}

let queue: Promise<unknown> = Promise.resolve();

/**
 * Waits until half a core has been idle for two seconds, or until `isOver`. Callers are served one
 * after the other, so that the next one sees the process that the first one has started. In a
 * container that may use only some of the cores it sees those of others idle too, and waits for
 * nothing.
 */
export function spareCore(
  isOver: () => boolean,
  { idle = idleCores, watched = 2000 }: Watching = {},
): Promise<void> {
  const turn = queue.then(async () => {
    for (let spare = 0; spare < SPARE && !isOver(); ) {
      const before = idle();
      await sleep(watched);
      spare = (idle() - before) / watched;
    }
  });
  queue = turn;
  return turn;
}

function idleCores(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}
