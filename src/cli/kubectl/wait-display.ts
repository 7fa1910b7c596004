import { say } from '../say.ts';
import type { SchemaView } from './schema-access.ts';

/**
 * Shows on stderr what is waited for: a line for each change, and on a terminal a bar while rows
 * are moved.
 */
export interface WaitDisplay {
  show(view: SchemaView): void;
  /** A further sentence; the same one in a row is shown once. */
  line(text: string): void;
  /** Leaves the terminal as it was. */
  close(): void;
}

/**
 * Opens what `wait` shows on stderr: a progress bar in a terminal, and a line for each change
 * elsewhere.
 */
export async function openWaitDisplay(terminal: boolean): Promise<WaitDisplay> {
  const { default: progressBars } = await import('cli-progress');
  const bar = new progressBars.SingleBar({
    format: '{bar} {percentage} % {migration}: {value} of {total} rows',
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
    stream: process.stderr,
  });
  let last = '';

  function line(text: string): void {
    if (text !== last) {
      last = text;
      bar.stop();
      say(text);
    }
  }

  return {
    line,
    show({ metadata, status }) {
      const ready = status?.conditions?.find((condition) => condition.type === 'Ready');
      const progress = status?.progress;
      if (ready === undefined || ready.observedGeneration !== metadata.generation) {
        line('The operator has not seen the newest spec yet');
      } else if (terminal && progress !== undefined) {
        const { migration, done, total } = progress;
        if (bar.isActive) {
          bar.setTotal(total);
          bar.update(done, { migration });
        } else {
          bar.start(total, done, { migration });
        }
      } else {
        line(`${ready.reason}: ${ready.message}`);
      }
    },
    close: () => bar.stop(),
  };
}
