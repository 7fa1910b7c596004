import { scriptsOf } from '../../src/glance/heads.ts';
import type { Script } from '../../src/glance/revisions.ts';

/** The head that a whole revision leaves, which is also the name of its golden file. */
export function headOf(revision: string): string {
  return scriptsOf(revision).at(-1)?.name ?? '';
}

/**
 * The golden file of a script that follows its revision's forerunner, contracted. That of an expand
 * was taken with all expands before it and no contract; and no contract after Pike's changes
 * anything.
 */
export function interleaved(script: Script): string {
  if (script.kind !== 'expand' || script.revision === 'ocata01') {
    return script.name;
  }
  return script.revision === 'pike01' ? 'ocata_contract01' : headOf(script.revision);
}
