import { LATEST, LATEST_SUPPORTED, LEGACY_NUMBERS, REVISIONS } from './revisions.ts';

/** What a name that a user wrote stands for. */
export type Resolved =
  | { readonly kind: 'revision'; readonly revision: string }
  /** A number of SQLAlchemy Migrate; `revision` is what it corresponds to, where there is one. */
  | { readonly kind: 'legacy-number'; readonly revision: string | undefined }
  /** A number that is none of those: perhaps a name that YAML has taken for a number. */
  | { readonly kind: 'number' }
  | { readonly kind: 'unknown' };

/**
 * Reads a revision as a user writes it: aliases included, in any case, and as the number that YAML
 * makes of a name without quotes.
 */
export function resolveRevision(name: string | number): Resolved {
  const text = String(name);
  const wanted = text.toLowerCase();
  const found = REVISIONS.find((revision) => revision.name === wanted || revision.aliases.includes(wanted));
  if (found !== undefined) {
    return { kind: 'revision', revision: found.name };
  }
  if (/^\d{1,3}$/.test(text)) {
    return { kind: 'legacy-number', revision: LEGACY_NUMBERS[Number(text)] };
  }
  return { kind: LOOKS_LIKE_A_NUMBER.test(text) ? 'number' : 'unknown' };
}

/** What YAML and Helm make of digits. A release may be called `2027.1`. */
const LOOKS_LIKE_A_NUMBER = /^\d+(\.0+)?$|^\d+(\.\d+)?e[+-]?\d+$/i;

/** Whether a name asks for the newest revision, whichever that is. */
export function isLatest(name: string | number): boolean {
  return String(name).toLowerCase() === LATEST;
}

/** Why a name cannot be a target and what to write instead: what follows `Cannot ...: `. */
export function explainUnresolved(
  name: string | number,
  resolved: Exclude<Resolved, { kind: 'revision' }>,
): string {
  switch (resolved.kind) {
    case 'legacy-number':
      return resolved.revision === undefined
        ? `'${name}' is a number of the migration tool before Ocata. Name a revision, such as '${LATEST_SUPPORTED}'.`
        : `'${name}' is a number of the migration tool before Ocata. Name the revision '${resolved.revision}'.`;
    case 'number':
      return `the number ${name} stands for no revision. Write the revision's name in quotes, such as "${LATEST_SUPPORTED}": YAML reads a name of digits as a number. Known are ${names()}, and '${LATEST}'.`;
    case 'unknown':
      return `'${name}' is no revision of Glance. Name one of ${names()}, or '${LATEST}'.`;
  }
}

function names(): string {
  return REVISIONS.map((revision) => revision.name).join(', ');
}
