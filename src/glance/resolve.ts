import { LEGACY_NUMBERS, NEWEST_CARRIED, REVISIONS } from './revisions.ts';

/** What a name that a user wrote stands for. */
export type Resolved =
  | { readonly kind: 'revision'; readonly revision: string }
  /** A number of SQLAlchemy Migrate; `revision` is what it corresponds to, where there is one. */
  | { readonly kind: 'legacy-number'; readonly revision: string | undefined }
  | { readonly kind: 'unknown' };

/** Reads a revision as a user writes it, aliases included and in any case. An absent name is the newest that is carried. */
export function resolveRevision(name: string | undefined): Resolved {
  if (name === undefined) {
    return { kind: 'revision', revision: NEWEST_CARRIED };
  }
  const wanted = name.toLowerCase();
  const found = REVISIONS.find((revision) => revision.name === wanted || revision.aliases.includes(wanted));
  if (found !== undefined) {
    return { kind: 'revision', revision: found.name };
  }
  return /^\d+$/.test(name)
    ? { kind: 'legacy-number', revision: LEGACY_NUMBERS[Number(name)] }
    : { kind: 'unknown' };
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
