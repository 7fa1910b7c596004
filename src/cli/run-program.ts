import type { Command } from 'commander';
import { withoutPassword } from './say.ts';
import { VERSION } from './version.ts';

/**
 * Runs a command line to its end. Sets the exit code of the process; what went wrong is one
 * sentence on stderr.
 *
 * @param load gives the program; only what the arguments ask for needs to be imported for it
 */
export async function runProgram(load: (args: readonly string[]) => Promise<Command>): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read the output may have gone (`| head`); what is under way is finished all the same.
    stream.on('error', () => undefined);
  }
  try {
    checkNode();
    const args = process.argv.slice(2);
    const program = await load(args);
    // Behind a verb `--version` is the revision that the verb is about, as glance-manage takes it.
    program.version(VERSION).enablePositionalOptions();
    throwInsteadOfExit(program);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    const { endWith } = await import('./exit.ts');
    process.exitCode = endWith(error);
  }
}

/** As `engines` of package.json has it. */
const OLDEST_NODE = 24;

/**
 * A person's own `node` may be any, and an older one fails somewhere in words that nobody
 * understands.
 */
function checkNode(): void {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) < OLDEST_NODE) {
    throw new Error(
      `Cannot go on: this needs Node.js ${OLDEST_NODE} or newer, and the 'node' that runs it is ${node}. Put a newer one first on the PATH.`,
    );
  }
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  command.configureOutput({ writeErr: (text) => process.stderr.write(withoutPassword(text)) });
  command.commands.forEach(throwInsteadOfExit);
}
