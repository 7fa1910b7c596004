import { setTimeout as sleep } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { mysqlOptions } from '../databases/mysql-client.ts';

/**
 * Which of the two columns a release of Glance knows: Newton and before `is_public`, Ocata and
 * after `visibility`.
 */
export type NodeStyle = 'old' | 'new';

/** What nodes of one release saw while they were at work. */
export interface NodeTally {
  readonly queries: number;
  /** The longest that a statement took, in milliseconds, and which. */
  readonly longest: number;
  readonly longestStatement: string;
  /** When it began, as performance.now() has it. */
  readonly longestAt: number;
  readonly errors: readonly string[];
  /** Images that were there before and that these nodes have changed. */
  readonly touched: ReadonlySet<string>;
}

/** Nodes of Glance that read and write the database all the time until they are stopped. */
export interface GlanceNodes {
  /** Lets each node finish its statement, and tells what they saw. */
  stop(): Promise<NodeTally>;
}

type Row = Readonly<Record<string, unknown>>;

/** One connection of a node, on either engine; `?` in a statement stands for a value. */
interface NodeClient {
  ask(statement: string, values: readonly unknown[]): Promise<readonly Row[]>;
  end(): Promise<void>;
}

async function connect(
  url: string,
  application: string,
  onError: (error: Error) => void,
): Promise<NodeClient> {
  if (url.startsWith('mysql')) {
    const client = await mysql.createConnection(mysqlOptions(url));
    client.on('error', onError);
    return {
      async ask(statement, values) {
        const [rows] = await client.query<RowDataPacket[]>(statement, [...values]);
        return Array.isArray(rows) ? rows : [];
      },
      end: () => client.end(),
    };
  }
  const client = new pg.Client({ connectionString: url, application_name: application });
  client.on('error', onError);
  await client.connect();
  return {
    async ask(statement, values) {
      let number = 0;
      return (
        await client.query(
          statement.replaceAll('?', () => `$${++number}`),
          [...values],
        )
      ).rows;
    },
    end: () => client.end(),
  };
}

/**
 * Lets some nodes of one release read and write as Glance's API does: it makes images, changes and
 * deletes them, shares them, and lists them. Every statement is timed; with the first that fails
 * all of them end.
 *
 * @param name what the ids of the images that they make begin with
 */
export async function startGlanceNodes(
  url: string,
  style: NodeStyle,
  nodes: number,
  name: string = style,
): Promise<GlanceNodes> {
  const stop = new AbortController();
  const errors: string[] = [];
  const touched = new Set<string>();
  let queries = 0;
  let longest = 0;
  let longestStatement = '';
  let longestAt = 0;

  async function node(number: number): Promise<void> {
    const client = await connect(url, `glance-api-${style}`, (error) => errors.push(error.message));
    const ask = async (text: string, values: readonly unknown[]): Promise<readonly Row[]> => {
      const started = performance.now();
      queries += 1;
      try {
        return await client.ask(text, values);
      } catch (error) {
        errors.push(`${text}: ${error instanceof Error ? error.message : String(error)}`);
        // One is enough; and a server that has stopped would give them forever.
        stop.abort();
        return [];
      } finally {
        const took = performance.now() - started;
        if (took > longest) {
          longest = took;
          longestStatement = text;
          longestAt = started;
        }
      }
    };
    const isPublic = style === 'old';
    const column = isPublic ? 'is_public' : 'visibility';
    const values: readonly unknown[] = isPublic
      ? [true, false]
      : ['public', 'private', 'shared', 'community'];
    // A new release lets nobody share what is not `shared`.
    const shareable: readonly unknown[] = isPublic ? values : ['shared'];
    const forSeeds: readonly unknown[] = isPublic ? values : ['public', 'shared', 'community'];
    for (let turn = 0; !stop.signal.aborted; turn += 1) {
      const id = `${name}-${number}-${turn}`;
      const value = values[turn % values.length];
      await ask(
        `INSERT INTO images (id, name, status, ${column}, created_at, updated_at, deleted, min_disk, min_ram, owner)
          VALUES (?, 'made meanwhile', 'queued', ?, now(), now(), false, 0, 0, 'nodes')`,
        [id, value],
      );
      await ask(`UPDATE images SET status = 'active', updated_at = now() WHERE id = ?`, [id]);
      const next = values[(turn + 1) % values.length];
      await ask(`UPDATE images SET ${column} = ?, updated_at = now() WHERE id = ?`, [next, id]);
      if (shareable.includes(next)) {
        await ask(
          `INSERT INTO image_members (image_id, member, can_share, created_at, deleted, status)
            VALUES (?, 'somebody', false, now(), false, 'pending')`,
          [id],
        );
      }
      await ask(`SELECT id, name, ${column} FROM images WHERE ${column} = ? AND deleted = false LIMIT 20`, [
        value,
      ]);
      const [seed] = await ask(
        `SELECT id, ${column} FROM images WHERE id >= ? AND owner <> 'nodes' ORDER BY id LIMIT 1`,
        [
          Math.floor(Math.random() * 0xffffff)
            .toString(16)
            .padStart(8, '0'),
        ],
      );
      if (seed !== undefined) {
        touched.add(String(seed.id));
        await ask(`UPDATE images SET ${column} = ?, updated_at = now() WHERE id = ?`, [
          forSeeds[turn % forSeeds.length],
          seed.id,
        ]);
      }
      await sleep(2);
    }
    await client.end().catch((error: Error) => errors.push(error.message));
  }

  const working = Promise.all(Array.from({ length: nodes }, (_, number) => node(number)));
  return {
    async stop() {
      stop.abort();
      await working;
      return { queries, longest, longestStatement, longestAt, errors, touched };
    },
  };
}
