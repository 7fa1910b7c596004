import type { Position } from '../../glance/position.ts';
import type { ConnectionTarget } from '../connection/target.ts';
import type { LockOptions } from '../lock.ts';

/** What a backup is of, and where it goes. */
export interface BackupOptions {
  readonly connection: ConnectionTarget;
  readonly folder: string;
  /** The position that a migration is to reach after it; absent for a backup at any time. */
  readonly before: Position | undefined;
  /** For whom, such as the UID of a GlanceSchema; may be empty. */
  readonly takenFor: string;
  /** What the files are called by; the name of the database if absent. */
  readonly name: string | undefined;
  /** How many backups are kept of those for the same; absent keeps all. */
  readonly retain: number | undefined;
  readonly timeoutSeconds: number | undefined;
  readonly compressed: boolean;
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: BackupEvents;
}

/** What is reported of a backup under way. */
export interface BackupEvents {
  readonly waiting: LockOptions['waiting'];
  /** So much of the file is written. */
  dumping(bytes: number, seconds: number): void;
}
