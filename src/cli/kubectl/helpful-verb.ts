import { REASONS, type Reason } from '../../contract/reasons.ts';

/** One of our own reasons; undefined for one of a newer operator. */
export function knownReason(reason: string | undefined): Reason | undefined {
  return Object.keys(REASONS).find((known): known is Reason => known === reason);
}

/** The verb that helps on from a reason, if one does. */
export function helpfulVerb(reason: string | undefined): 'retry' | 'observe' | 'resume' | undefined {
  switch (knownReason(reason)) {
    case 'Suspended':
      return 'resume';
    case 'DowngradeNotSupported':
      return 'observe';
    case 'MigrationFailed':
    case 'PartiallyApplied':
    case 'DatabaseNewer':
    case 'DatabaseNotGlance':
    case 'DatabaseUnreachable':
    case 'ConnectionInvalid':
      return 'retry';
    default:
      return undefined;
  }
}
