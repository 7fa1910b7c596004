/** The longest, in milliseconds: a month. */
const LONGEST = 744 * 3_600_000;

/** The shortest, in milliseconds. */
const SHORTEST = 60_000;

/**
 * A duration of the spec, such as `2h30m`, in milliseconds; undefined for none, and for one that is
 * shorter than a minute or longer than a month.
 */
export function parseDuration(text = ''): number | undefined {
  const [matched, hours = 0, minutes = 0, seconds = 0] =
    /^(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?$/.exec(text) ?? [];
  const length = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  return matched === undefined || length < SHORTEST || length > LONGEST ? undefined : length;
}
