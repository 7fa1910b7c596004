/** Bounds of an exponential backoff, in milliseconds. */
export interface BackoffBounds {
  readonly first: number;
  readonly most: number;
}

/**
 * The delay in milliseconds after `failures` failures in a row (from 1): doubled each time up to
 * `most`, of which a random fifth is taken off, so that many that failed together do not come back
 * together.
 */
export function exponentialBackoff(
  failures: number,
  { first, most }: BackoffBounds,
  random: () => number = Math.random,
): number {
  const full = Math.min(most, first * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (1 - 0.2 * random()));
}

/** A number in [0, 1) that a text always gives, for a jitter that is the same in each reconcile. */
export function fractionOf(text: string): number {
  let hash = 0;
  for (const character of text) {
    hash = (hash * 31 + character.charCodeAt(0)) % 9973;
  }
  return hash / 9973;
}
