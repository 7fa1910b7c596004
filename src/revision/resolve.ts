import { LEGACY_NUMBERS, NEWEST_CARRIED, REVISIONS } from './revisions.ts';

/** What a name that a user wrote stands for. */
export type Resolved =
  | { readonly kind: 'revision'; readonly revision: string }
  /** A number of SQLAlchemy Migrate; `revision` is what it corresponds to, where there is one. */
  | { readonly kind: 'legacy-number'; readonly revision: string | undefined }
  | { readonly kind: 'unknown' };

/** Reads a revision as a user writes it, aliases included. An absent name is the newest that is carried. */
export function resolveRevision(name: string | undefined): Resolved {
  if (name === undefined) {
    return { kind: 'revision', revision: NEWEST_CARRIED };
  }
  if (/^\d+$/.test(name)) {
    return { kind: 'legacy-number', revision: LEGACY_NUMBERS[Number(name)] };
  }
  const found = REVISIONS.find((revision) => revision.name === name || revision.aliases.includes(name));
  return found === undefined ? { kind: 'unknown' } : { kind: 'revision', revision: found.name };
}

/** Why a name cannot be a target and what to write instead: the second half of a `Cannot ...: ...` sentence. */
export function explainUnresolved(name: string, resolved: Exclude<Resolved, { kind: 'revision' }>): string {
  switch (resolved.kind) {
    case 'legacy-number':
      return resolved.revision === undefined
        ? `found '${name}', a number of the migration tool before Ocata, do name a revision such as '${NEWEST_CARRIED}'`
        : `found '${name}', a number of the migration tool before Ocata, do name the revision '${resolved.revision}'`;
    case 'unknown':
      return `found '${name}', which is no revision of Glance, do name one of ${names()}`;
  }
}

function names(): string {
  return REVISIONS.map((revision) => revision.name).join(', ');
}
