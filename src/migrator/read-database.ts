import { REGISTRY } from '../../migrations/registry.ts';
import { type Detected, detect, type Facts } from '../glance/detect.ts';
import { knownSchema } from '../glance/known-schema.ts';
import type { FilledFrom, LostColumn } from '../glance/lost-columns.ts';
import { dataToAsk, filledToAsk, openData } from '../glance/plan.ts';
import type { DataMigration } from '../glance/steps.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import { isPending } from './backfill.ts';
import { connect } from './connect.ts';
import type { ConnectionTarget } from './connection/url.ts';
import { findDrift, inWords, recordedScripts } from './drift.ts';
import type { Connection, DatabaseState } from './engine/engine.ts';
import { asFailure, Failure } from './errors/failure.ts';
import type { Outcome } from './outcome.ts';
import { unlessSilent } from './unless-silent.ts';

/** What reading a database gives: what is known of it, and what can be done from there. */
export interface DatabaseReading {
  readonly state: DatabaseState;
  readonly facts: Facts;
}

/**
 * Reads catalog, version tables and, of an expanded database, whether rows are left to move.
 *
 * @param withRows whether the rows are asked; without that some count as left wherever there may be
 *   some
 * @throws Failure `DatabaseUnreachable`
 */
export async function readFacts(connection: Connection, withRows = true): Promise<DatabaseReading> {
  const state = await connection.readState();
  const { address } = connection;
  const facts = { ...state.found, address, transactional: state.transactional };
  const asked = dataToAsk(facts, REGISTRY);
  const pending = withRows
    ? await askPending(connection, state, asked)
    : new Set(asked.map(({ revision }) => revision));
  const lost = await askLost(connection, filledToAsk(facts, REGISTRY));
  return { state, facts: { ...facts, pending, ...(lost.length === 0 ? {} : { lost }) } };
}

/** So often a reading is repeated while another migrator goes on from head to head. */
const MOST_READINGS = 20;

/**
 * The same without the lock. A reading is more than one question, and another migrator may commit
 * between two of them: what is refused is read again, until two readings in a row find the same
 * record.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function readUnlocked(connection: Connection, withRows = true): Promise<DatabaseReading> {
  let before: string | undefined;
  for (let readings = 1; ; readings += 1) {
    const reading = await readFacts(connection, withRows);
    const record = JSON.stringify([reading.facts.alembic, reading.facts.migrate]);
    if (detectIn(reading.facts).kind !== 'refused' || record === before || readings === MOST_READINGS) {
      return reading;
    }
    before = record;
  }
}

/** Where a database is. */
export function detectIn(facts: Facts): Detected {
  return detect(facts, knownSchema(REGISTRY, facts.transactional));
}

/**
 * The same, and whether anybody can write with the triggers of our scripts, where there
 * are some.
 */
export async function withBrokenTriggers({ state, facts }: DatabaseReading): Promise<DatabaseReading> {
  const { triggers } = knownSchema(REGISTRY, facts.transactional);
  const ours = new Set([...triggers].filter((name) => facts.triggers?.has(name)));
  // Of a database that is not Glance's nothing is tried out.
  return ours.size === 0 || detectIn(facts).kind !== 'at'
    ? { state, facts }
    : { state, facts: { ...facts, brokenTriggers: await state.findBrokenTriggers(ours) } };
}

/** The revisions with rows that are still to be moved, once these scripts have run. */
export function readPending(
  connection: Connection,
  state: DatabaseState,
  applied: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  return askPending(connection, state, openData(applied, REGISTRY));
}

async function askPending(
  connection: Connection,
  state: DatabaseState,
  asked: readonly DataMigration[],
): Promise<ReadonlySet<string>> {
  const pending = new Set<string>();
  for (const data of asked) {
    if (await isPending(connection, state.engine, data)) {
      pending.add(data.revision);
    }
  }
  return pending;
}

async function askLost(connection: Connection, asked: readonly FilledFrom[]): Promise<readonly LostColumn[]> {
  const lost: LostColumn[] = [];
  for (const each of asked) {
    const [row] = await connection.query(
      `SELECT count(*) AS n FROM ${each.table} WHERE ${each.successor} IS NULL`,
    );
    const rows = Number(row?.n ?? 0);
    if (rows > 0) {
      lost.push({ ...each, rows });
    }
  }
  return lost;
}

/**
 * Connects to a database, reads it without its lock and closes the connection again. Never
 * throws, and never changes anything.
 */
export async function withDatabaseReading<Result extends object>(
  target: ConnectionTarget,
  work: (reading: DatabaseReading, connection: Connection) => Result | Promise<Result>,
  withRows = true,
): Promise<Result | { readonly applied: readonly []; readonly error: Failure }> {
  let connection: Connection | undefined;
  try {
    connection = await connect(target);
    const answered = unlessSilent(target, connection);
    return await answered(
      Promise.resolve(work(await answered(readUnlocked(connection, withRows)), connection)),
    );
  } catch (error) {
    return { applied: [], error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

/**
 * Reads where a database is.
 *
 * @param exclude patterns of names whose drift does not count; absent means that nobody asks for
 *   drift. Where it is asked for, no table with rows is read, however many there are: between expand
 *   and contract the phase is the first that it can be.
 */
export function readDatabase(
  target: ConnectionTarget,
  exclude?: readonly string[],
): Promise<Outcome & { readonly detected?: Detected }> {
  return withDatabaseReading(
    target,
    async ({ state, facts }) => {
      const detected = detectIn(facts);
      const applied = recordedScripts(detected, facts);
      return {
        ...outcomeOfReading(facts, detected),
        detected,
        ...(exclude === undefined || applied.size === 0
          ? {}
          : { drift: inWords(await findDrift(state, applied, exclude)) }),
        ...whyNotDetected(facts, detected),
      };
    },
    exclude === undefined,
  );
}

/** The part of an outcome that is known from reading alone. */
export function outcomeOfReading(facts: Facts, detected: Detected): Outcome {
  const position = detected.kind === 'empty' ? undefined : detected.position;
  return {
    ...withoutUndefined({ from: position, to: position }),
    heads: [...(facts.alembic ?? [])].sort(),
    applied: [],
  };
}

/** The failure for a database whose revision cannot be detected. */
export function whyNotDetected(facts: Facts, detected: Detected): Pick<Outcome, 'error'> {
  return detected.kind === 'refused'
    ? {
        error: new Failure(
          detected.reason,
          `Cannot detect the revision of ${facts.address}: ${detected.message}`,
        ),
      }
    : {};
}
