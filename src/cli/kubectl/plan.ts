import type { Command } from 'commander';
import { type SchemaFlags, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';

/** `kubectl glanceschema plan NAME` */
export function planCommand(): Command {
  return schemaCommand({
    verb: 'plan',
    description:
      'Show what would run from where the database was last read to where it is wanted. The database is not touched.',
    run: plan,
  });
}

async function plan(name: string, flags: SchemaFlags): Promise<void> {
  await withSchema(name, flags, async (schema) => {
    const { planText } = await import('./plan-text.ts');
    process.stdout.write(planText(await schema.read(), schema.title));
  });
}
