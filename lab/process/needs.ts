import type { Context } from 'mocha';

/**
 * Leaves out a suite that this machine cannot run, and says why. In CI that is a failure: there
 * everything has to run.
 */
export function leaveOut(context: Context, sentence: string): never {
  if (process.env.CI) throw new Error(sentence);
  process.stdout.write(`      ${sentence}\n`);
  return context.skip();
}
