import type { Connection, Engine } from './engines/engine.ts';
import type { Engine as EngineName } from './step.ts';
import type { ConnectionTarget } from './url.ts';

/** Only the engine that is wanted is read, with its driver. */
const ENGINES: Readonly<Record<EngineName, () => Promise<Engine>>> = {
  postgres: async () => (await import('./engines/postgres.ts')).postgres,
  mysql: async () => (await import('./engines/mysql.ts')).mysql,
};

/**
 * Connects with the plain driver of the engine that the URL names.
 *
 * @throws Failure `DatabaseUnreachable` with the cause, `Usage` for a certificate file that cannot be read
 */
export async function connect(target: ConnectionTarget): Promise<Connection> {
  const engine = await ENGINES[target.engine]();
  return engine.connect(target);
}
