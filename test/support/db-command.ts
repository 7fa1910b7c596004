import { expect } from 'chai';
import type { CliResult } from '../../lab/process/bundle.ts';
import { runCliInThread } from '../../lab/process/cli-threads.ts';

/**
 * What `glance-schema db ARGS...` does to the database of the URL; it gets no process of its own,
 * see `cli-threads.ts`.
 */
export function db(url: string, ...args: readonly string[]): Promise<CliResult> {
  return runCliInThread(['db', ...args], { DATABASE_CONNECTION: url });
}

/** The same, for a command that has to succeed; gives its stdout. */
export async function succeeds(url: string, ...args: readonly string[]): Promise<string> {
  const result = await db(url, ...args);
  expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
  return result.stdout;
}

/** Where the report of `db version` says that the database is. */
export async function position(url: string): Promise<string> {
  const { to } = JSON.parse(await succeeds(url, 'version', '--output', 'json'));
  return to === null ? 'nothing' : `${to.revision} ${to.phase}`;
}
