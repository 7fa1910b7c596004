import { z } from 'zod';
import { PHASES } from '../glance/phase.ts';
import { PLAN_HASH } from './plan-hash.ts';

const position = z.object({
  revision: z.string().describe('The revision.'),
  phase: z.enum(PHASES).describe('How far through its phases.'),
});

const statement = z.object({
  sql: z.string().describe('The statement.'),
  autocommit: z
    .boolean()
    .describe('Whether it is committed by itself, and not together with the record of its script.'),
  lock: z
    .object({
      table: z.string().describe('The table.'),
      mode: z.string().describe("The engine's name for the lock."),
      effect: z.string().describe('What it keeps others from.'),
    })
    .optional()
    .describe('What it takes of a table that is in use; absent where that is nothing.'),
});

const step = z.object({
  name: z.string().describe('The script, the data migration or the table.'),
  kind: z
    .enum(['control', 'script', 'data', 'repair'])
    .describe(
      '`control` brings the database under version control, before any script; `repair` completes its schema, after all of them.',
    ),
  rows: z.int().optional().describe('The rows that it writes, where it writes any.'),
  statements: z.array(statement).describe('What is run, in order.'),
});

/**
 * What `glance-schema db plan --output json` prints: what a run would do, without any of it done.
 */
export const planSchema = z
  .object({
    database: z.string().describe('`host:port/database`.'),
    engine: z.enum(['postgres', 'mysql']).describe('The engine; `mysql` is MariaDB too.'),
    from: position.nullable().describe('Where the database is; null when it is empty.'),
    target: position.describe('Where the run would lead.'),
    online: z.boolean().describe('Whether Glance servers can be at work meanwhile.'),
    adopt: z
      .object({
        from: z.string().describe('What gives the revision of the database now.'),
        heads: z.array(z.string()).describe('The rows of alembic_version that it gets.'),
      })
      .nullable()
      .describe('How a database of the old tool is brought under version control; null where it is not.'),
    steps: z.array(step).describe('What is run, in order.'),
    rows: z.int().describe('How many rows it writes in all.'),
    mostRows: z
      .int()
      .describe('How many it may write before it counts as another plan: ten times as many and some more.'),
    hash: z
      .string()
      .regex(PLAN_HASH)
      .describe('SHA-256 of all that is run, by which the plan is approved: `db sync --plan-hash`.'),
    obstacles: z
      .array(z.string())
      .describe('What has to go before the run, which refuses to begin as long as it exists.'),
  })
  .describe('What `glance-schema db plan --output json` prints.');
