/** `2026-11-23 07:01:00 UTC (2 minutes ago)` */
export function formatTime(time: string, now: Date): string {
  return `${time.slice(0, 19).replace('T', ' ')} UTC (${tellDistance(Date.parse(time) - now.getTime())})`;
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/**
 * A time from now in milliseconds, in the largest unit that it has one of: `in 2 minutes`, `3 days
 * ago`.
 */
function tellDistance(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ['second', 1];
  return new Intl.RelativeTimeFormat('en').format(Math.round(seconds / size), unit);
}

/** What lies between two times: `850 ms`, `1.2 s`, `12 min`, `3.5 h`. */
export function tellDuration(from: string, to: string): string {
  const milliseconds = Date.parse(to) - Date.parse(from);
  const seconds = milliseconds / 1000;
  if (seconds < 1) {
    return `${milliseconds} ms`;
  }
  const [size, unit] = seconds < 120 ? [1, 's'] : seconds < 7_200 ? [60, 'min'] : [3_600, 'h'];
  return `${Math.round((seconds / size) * 10) / 10} ${unit}`;
}

/**
 * The age of an object, without blanks and in the same units as `kubectl get` shows it.
 *
 * Source: HumanDuration in k8s.io/apimachinery/pkg/util/duration.
 */
export function formatAge(from: string, to: string): string {
  const seconds = Math.max(0, Math.trunc((Date.parse(to) - Date.parse(from)) / 1000));
  const minutes = Math.trunc(seconds / 60);
  const hours = Math.trunc(seconds / 3_600);
  const days = Math.trunc(seconds / 86_400);
  const more = (count: number, unit: string): string => (count === 0 ? '' : `${count}${unit}`);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return `${minutes}m${more(seconds % 60, 's')}`;
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return `${hours}h${more(minutes % 60, 'm')}`;
  if (hours < 48) return `${hours}h`;
  if (days < 8) return `${days}d${more(hours % 24, 'h')}`;
  const years = Math.trunc(days / 365);
  if (years < 2) return `${days}d`;
  return `${years}y${years < 8 ? more(days % 365, 'd') : ''}`;
}
