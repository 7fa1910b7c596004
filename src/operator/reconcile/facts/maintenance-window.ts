import { Cron } from 'croner';
import type { GlanceSchemaSpec } from '../../../contract/glance-schema.ts';
import { parseDuration } from '../../time/duration.ts';

type WindowSpec = NonNullable<GlanceSchemaSpec['window']>;

/** `spec.window`, read; times are in milliseconds since the epoch. */
export type MaintenanceWindow =
  | {
      readonly kind: 'valid';
      isOpen(at: number): boolean;
      /** The first opening after that time. */
      nextOpening(at: number): Opening;
    }
  /** A sentence says why. */
  | { readonly kind: 'invalid'; readonly why: string };

/** When a window opens, in milliseconds since the epoch. */
export interface Opening {
  readonly opensAt: number;
  /**
   * When it is closed again; undefined where the schedule opens it again, before it closes, more
   * often than is counted.
   */
  readonly closesAt: number | undefined;
}

/** How many openings that follow one another without a gap are counted. */
const MOST_OPENINGS = 100;

/** Each reconcile asks, and the spec of one version of a GlanceSchema is one object. */
const known = new WeakMap<WindowSpec, MaintenanceWindow>();

/** What `spec.window` says, or why it says nothing. */
export function readWindow(spec: WindowSpec): MaintenanceWindow {
  const window = known.get(spec) ?? parseWindow(spec);
  known.set(spec, window);
  return window;
}

function parseWindow({ schedule, duration, timeZone }: WindowSpec): MaintenanceWindow {
  const length = parseDuration(duration);
  if (length === undefined) {
    return invalid(
      `Cannot use spec.window.duration '${duration}'. Write hours and minutes, from 1m to 744h, such as 2h30m.`,
    );
  }
  if (!isTimeZone(timeZone)) {
    return invalid(
      `Cannot use spec.window.timeZone '${timeZone}': no such time zone is known. Write its name in the IANA database, such as Europe/Berlin.`,
    );
  }
  const cron = parseSchedule(schedule, timeZone);
  if (cron === undefined) {
    return invalid(
      `Cannot read spec.window.schedule '${schedule}'. Write five fields, such as '0 2 * * SAT' for each Saturday at two.`,
    );
  }
  const after = (time: number) => cron.nextRun(new Date(time))?.getTime();
  if (after(0) === undefined) {
    return invalid(
      `Cannot use spec.window.schedule '${schedule}': it never occurs. Write one that does, such as '0 2 * * SAT' for each Saturday at two.`,
    );
  }
  return {
    kind: 'valid',
    isOpen(at) {
      const opened = after(at - length);
      return opened !== undefined && opened <= at;
    },
    nextOpening(at) {
      const opensAt = after(at) ?? Number.POSITIVE_INFINITY;
      let last = opensAt;
      for (let openings = 0; openings < MOST_OPENINGS; openings += 1) {
        const next = after(last);
        if (next === undefined || next > last + length) {
          return { opensAt, closesAt: last + length };
        }
        last = next;
      }
      return { opensAt, closesAt: undefined };
    },
  };
}

function invalid(why: string): MaintenanceWindow {
  return { kind: 'invalid', why };
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

function parseSchedule(schedule: string, timezone: string): Cron | undefined {
  // croner also takes a single date, which would be a schedule that is over one day.
  if (!/^@[a-z]+$|^\S+( +\S+){4}$/i.test(schedule)) {
    return undefined;
  }
  try {
    return new Cron(schedule, { timezone, paused: true, mode: '5-part' });
  } catch {
    return undefined;
  }
}
