import { CARRIED, LEGACY_NUMBERS, NEWEST_CARRIED, REVISIONS } from './revisions.ts';

/** What a name that a user wrote stands for. */
export type Resolved =
  | { readonly kind: 'revision'; readonly revision: string }
  /** A number of SQLAlchemy Migrate; `revision` is what it corresponds to, where there is one. */
  | { readonly kind: 'legacy-number'; readonly revision: string | undefined }
  /** A revision of Glance that this build has no migration for. */
  | { readonly kind: 'not-carried'; readonly revision: string }
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
  if (found === undefined) {
    return { kind: 'unknown' };
  }
  return { kind: CARRIED.includes(found) ? 'revision' : 'not-carried', revision: found.name };
}

/** Why a name cannot be a target and what to write instead: the second half of a `Cannot ...: ...` sentence. */
export function explainUnresolved(name: string, resolved: Exclude<Resolved, { kind: 'revision' }>): string {
  switch (resolved.kind) {
    case 'legacy-number':
      return resolved.revision === undefined
        ? `found '${name}', a number of the migration tool before Ocata, do name a revision such as '${NEWEST_CARRIED}'`
        : `found '${name}', a number of the migration tool before Ocata, do name the revision '${resolved.revision}'`;
    case 'not-carried':
      return `found '${name}', which is newer than '${NEWEST_CARRIED}', the newest revision of this build, do upgrade glance-schema or name one of ${carriedNames()}`;
    case 'unknown':
      return `found '${name}', which is no revision of Glance, do name one of ${carriedNames()}`;
  }
}

function carriedNames(): string {
  return CARRIED.map((revision) => revision.name).join(', ');
}
