/**
 * Glance's three phases of a schema change, in order: expand adds, migrate moves the data, contract
 * removes. Before Ocata a revision has no phases; it is then always `Contract`, that is, whole.
 *
 * Source: the Glance manual, "Database Management", on zero-downtime upgrades.
 */
export const PHASES = ['Expand', 'Migrate', 'Contract'] as const;

/** How far through the cycle of a revision: expanded, data migrated, or contracted. */
export type Phase = (typeof PHASES)[number];
