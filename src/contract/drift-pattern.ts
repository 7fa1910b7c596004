/**
 * A pattern of names whose drift does not count: of a table, of a column as `table.column`, or of
 * an index. `*` stands for any characters, `?` for one. Few stars, so that none takes long to
 * compare.
 */
export const DRIFT_PATTERN = /^([A-Za-z0-9_.?-]*[*]){0,3}[A-Za-z0-9_.?-]*$/;

/** The longest such pattern: twice a name, and the point between. */
export const LONGEST_DRIFT_PATTERN = 129;
