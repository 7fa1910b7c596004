import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long the machine is watched, in milliseconds. */
const WATCHED = 3000;

/** What has to be idle meanwhile, of one core. */
const SPARE = 0.5;

let queue: Promise<unknown> = Promise.resolve();

/**
 * Waits until half a core has had nothing to do for three seconds, or until `isOver`. Who else waits
 * is watched for after that: what is begun then has to show first.
 */
export function spareCore(isOver: () => boolean): Promise<void> {
  const turn = queue.then(async () => {
    for (let spare = 0; spare < SPARE && !isOver(); ) {
      const before = idle();
      await sleep(WATCHED);
      spare = (idle() - before) / WATCHED;
    }
  });
  queue = turn;
  return turn;
}

/** For how long the cores have been idle, all together, in milliseconds. */
function idle(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}
