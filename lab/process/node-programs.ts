import { withoutUndefined } from '../../src/glance/without-undefined.ts';

const { NODE_COMPILE_CACHE } = process.env;

/**
 * For the tests and what they start thousands of times: with room for what a short program makes,
 * Node hardly ever collects garbage, which is a sixth of its work otherwise, and it needs no threads
 * for that.
 */
export const NODE_FLAGS: readonly string[] = ['--min-semi-space-size=32', '--single-threaded-gc'];

/**
 * For programs in Node that get nothing else of this process's environment: where `make test` has
 * Node keep what it has compiled, as they are started thousands of times.
 */
export const NODE_PROGRAMS: Readonly<Record<string, string>> = withoutUndefined({ NODE_COMPILE_CACHE });
