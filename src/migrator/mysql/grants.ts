/** What a user may do, as far as `SHOW GRANTS` says. */
export interface Grants {
  /**
   * Rights on one database, those on the whole server included; `ALL PRIVILEGES` is spelt out for
   * the ones asked.
   */
  readonly onDatabase: { has(right: string): boolean };
  /** Rights on the whole server. */
  readonly onServer: ReadonlySet<string>;
  /** Whether there may be more rights than these: by roles, or on single tables. */
  readonly more: boolean;
}

/** Reads the lines of `SHOW GRANTS`, such as GRANT SELECT, INSERT ON `glance`.* TO `glance`@`%`. */
export function readGrants(lines: readonly string[], database: string): Grants {
  const onDatabase = new Set<string>();
  const onServer = new Set<string>();
  let more = false;
  for (const line of lines) {
    const grant =
      /^GRANT (?<rights>.+?) ON (?:`(?<quoted>(?:[^`]|``)*)`|(?<plain>[^\s.`]+))\.(?:`(?:[^`]|``)*`|(?<all>\*)) TO /.exec(
        line,
      )?.groups;
    if (grant === undefined) {
      more ||= !/ ON /.test(line) && !/^SET DEFAULT ROLE/.test(line);
      continue;
    }
    const rights = (grant.rights ?? '').split(/, ?(?![^(]*\))/).map((right) => right.trim().toUpperCase());
    const pattern = grant.quoted?.replaceAll('``', '`') ?? grant.plain ?? '';
    const wholly = grant.all !== undefined;
    if (grant.plain === '*' && wholly) {
      for (const right of rights) {
        onServer.add(right);
        onDatabase.add(right);
      }
    } else if (isLike(database, pattern)) {
      if (wholly) {
        for (const right of rights) {
          onDatabase.add(right);
        }
      } else {
        more = true;
      }
    }
  }
  return {
    onDatabase: { has: (right) => onDatabase.has(right) || onDatabase.has('ALL PRIVILEGES') },
    onServer,
    more,
  };
}

/**
 * Whether a name fits a pattern as grants have it: `%`, `_`, and a backslash before one that is
 * meant.
 */
function isLike(name: string, pattern: string): boolean {
  const source = pattern.replace(/\\(.)|([%_])|([.*+?^${}()|[\]])/g, (_all, escaped, wild, special) => {
    if (escaped !== undefined) {
      return escaped === '_' || escaped === '%' ? escaped : `\\${escaped}`;
    }
    return wild === undefined ? `\\${special}` : wild === '%' ? '.*' : '.';
  });
  return new RegExp(`^${source}$`, 's').test(name);
}
