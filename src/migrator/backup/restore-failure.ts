import { Failure } from '../errors/failure.ts';

/** A refusal of a restore; nothing was changed. */
export function cannotRestore(address: string, why: string, cause?: unknown): Failure {
  return new Failure('RestoreRefused', `Cannot restore into ${address}: ${why}`, { cause });
}

/** That the engine's own program is not on this machine. */
export function noRestoreClient(names: readonly string[], address: string): Failure {
  return cannotRestore(
    address,
    `found no ${names.join(' or ')} on PATH. Install it, or run an image that has it: the Dockerfile's target with-clients builds one.`,
  );
}
