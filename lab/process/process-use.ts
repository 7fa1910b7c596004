import { readFileSync } from 'node:fs';

/** What a process has used. */
export interface ProcessUse {
  /** Seconds of one core, user's and system's. */
  readonly cpu: number;
  /** Resident now, in MiB. */
  readonly resident: number;
  /** The most that was ever resident, in MiB. */
  readonly peak: number;
}

/** Linux' clock ticks per second in /proc. Source: proc_pid_stat(5), USER_HZ. */
const TICKS = 100;

/** Reads /proc. */
export function processUse(pid: number): ProcessUse {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name, in brackets, and may have spaces; user and system time are the
  // 14th and the 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / TICKS,
    resident: mebibytes('VmRSS'),
    peak: mebibytes('VmHWM'),
  };
}
