import { databaseError, isConnectionLoss } from '../errors/database-error.ts';

/** Shorter than the idle limits of servers, balancers and firewalls, in milliseconds. */
const EVERY_MILLISECONDS = 5000;

/**
 * Asks something cheap again and again of a session that is only held, so that nobody on the way
 * takes it for forgotten. Keeps no process.
 *
 * @param lost called when the session does not answer any more
 * @returns what ends it
 */
export function keepAlive(ask: () => Promise<unknown>, lost: () => void): () => void {
  const timer = setInterval(() => {
    ask().catch((error: unknown) => {
      if (isConnectionLoss(databaseError(error))) {
        lost();
      }
    });
  }, EVERY_MILLISECONDS);
  timer.unref();
  return () => clearInterval(timer);
}
