/**
 * A printer for progress: on a terminal one line that is written over, elsewhere (a log, CI) a
 * whole line now and then.
 */
export function progressLine(stream: NodeJS.WriteStream, everyMilliseconds = 10_000): ProgressLine {
  let last = 0;
  let open = false;
  return {
    say(line) {
      if (stream.isTTY) {
        const columns = Math.max(stream.columns || 80, 20) - 1;
        stream.write(`\r\u001b[2K${line.slice(0, columns)}`);
        open = true;
        return;
      }
      const now = Date.now();
      if (now - last < everyMilliseconds) return;
      last = now;
      stream.write(`${line}\n`);
    },
    end() {
      if (open) stream.write('\r\u001b[2K');
      open = false;
    },
  };
}

/**
 * One line of a terminal that is written over while a build goes on; plain lines where there is no
 * terminal.
 */
export interface ProgressLine {
  say(line: string): void;
  /** Clears the line that is written over, so that what follows starts clean. */
  end(): void;
}
