import { type DatabaseError, databaseError } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';

/** How many connections are tried to reach a server again that a balancer may hide among others. */
const MOST_TRIES = 20;

/** An open connection, which may have reached the server that is meant. */
export interface Reached<T> {
  readonly connection: T;
  readonly right: boolean;
  close(): Promise<void>;
}

/**
 * Opens connections until one reaches the server that is meant. Those that reached others stay open
 * meanwhile, as a balancer may give the next one to whoever has fewest.
 *
 * @param isOfAnother whether an error shows by itself that it was another server: one that refuses
 *   the TLS, or the lack of it, by which the server that is meant was reached
 * @throws Failure `DatabaseUnreachable` after some tries: another run may have more luck
 */
export async function reachSameServer<T>(
  address: string,
  open: () => Promise<Reached<T>>,
  isOfAnother: (error: DatabaseError) => boolean = () => false,
): Promise<T> {
  const wrong: Reached<T>[] = [];
  try {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const reached = await open().catch((error: unknown) => {
        if (!isOfAnother(databaseError(error))) {
          throw error;
        }
        return undefined;
      });
      if (reached?.right === true) {
        return reached.connection;
      }
      if (reached !== undefined) {
        wrong.push(reached);
      }
    }
  } finally {
    await Promise.all(wrong.map((reached) => reached.close()));
  }
  throw new Failure(
    'DatabaseUnreachable',
    `Cannot go on with ${address}: the server that has the lock was not reached again by ${MOST_TRIES} further connections, as behind a balancer that leads to several servers. Name one server, or let the balancer keep to one for each client.`,
  );
}
