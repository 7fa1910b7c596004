import { Failure } from '../../migrator/errors/failure.ts';

/** Seconds of eleven days; whatever is larger is a slip, and some servers take no more. */
const MOST = 999_999;

/**
 * The whole number that an option has.
 *
 * @throws Failure `Usage`
 */
export function readWholeNumber(option: string, text: string, least: number): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) < least) {
    throw new Failure(
      'Usage',
      `Cannot use ${option} '${text}': write a whole number from ${least} to ${MOST}.`,
    );
  }
  return Number(text);
}
