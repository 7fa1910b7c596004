import type { Command } from 'commander';
import { type SchemaFlags, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';

/** A verb that changes a GlanceSchema by one merge patch. */
export interface ChangeOptions {
  readonly verb: string;
  readonly description: string;
  /** What is merged into the object. */
  readonly patch: () => object;
  /** What was done, after the name of the object. */
  readonly done: string;
  /** The verb that shows what comes of it. */
  readonly next: 'wait' | 'status';
}

/** A verb that changes one thing in a GlanceSchema and leaves the rest to the operator. */
export function changeCommand({ verb, description, patch, done, next }: ChangeOptions): Command {
  return schemaCommand({
    verb,
    description,
    run: (name: string, flags: SchemaFlags) =>
      withSchema(name, flags, async (schema) => {
        await schema.change(patch());
        process.stdout.write(`${schema.title} ${done}. See what comes of it: ${schema.commandFor(next)}\n`);
      }),
  });
}
