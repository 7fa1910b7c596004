import type { Engine as EngineName } from '../glance/steps.ts';
import type { ConnectionTarget } from './connection/url.ts';
import type { Connection, Engine } from './engine/engine.ts';

/** Only the engine that is wanted is read, with its driver. */
const ENGINES: Readonly<Record<EngineName, () => Promise<Engine>>> = {
  postgres: async () => (await import('./postgres/engine.ts')).postgres,
  mysql: async () => (await import('./mysql/engine.ts')).mysql,
};

/**
 * Connects with the plain driver of the engine that the URL names.
 *
 * @throws Failure `DatabaseUnreachable` with the cause, `Usage` for a certificate file that cannot
 *   be read
 */
export async function connect(target: ConnectionTarget): Promise<Connection> {
  const engine = await ENGINES[target.engine]();
  return engine.connect(target);
}
