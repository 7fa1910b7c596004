import type { DumpReader } from '../engine/dump.ts';

const NEWLINE = 10;
const BACKSLASH = 92;
const DOT = 46;

/** So much of a line is kept as says what it is. */
const MOST_KEPT = 65_536;

const NAME = '(?:"(?:[^"]|"")+"|[^ ."]+)';
const COPY = new RegExp(`^COPY (${NAME})\\.(${NAME}) `);

/**
 * Counts the rows of each table in what `pg_restore` writes as SQL: a row is a line between `COPY`
 * and `\.`, as a line break within a value is escaped.
 */
export class CopyRows {
  readonly #rows = new Map<string, number>();
  #complete = false;
  #table: string | undefined;
  #count = 0;
  /** Of a line that goes on in the next piece. */
  #begun: Buffer[] = [];
  #begunLength = 0;

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) {
        this.#keep(chunk.subarray(at));
        return;
      }
      this.#line(chunk, at, end);
      at = end + 1;
    }
  }

  content(): Awaited<ReturnType<DumpReader['end']>> {
    return { rows: this.#rows, complete: this.#complete && this.#table === undefined };
  }

  #keep(piece: Buffer): void {
    if (this.#begunLength < MOST_KEPT) {
      this.#begun.push(Buffer.from(piece));
    }
    this.#begunLength += piece.length;
  }

  #line(chunk: Buffer, at: number, end: number): void {
    if (this.#begunLength > 0) {
      this.#keep(chunk.subarray(at, end));
      const whole = Buffer.concat(this.#begun);
      this.#begun = [];
      this.#begunLength = 0;
      this.#take(whole, 0, whole.length);
    } else {
      this.#take(chunk, at, end);
    }
  }

  #take(bytes: Buffer, at: number, end: number): void {
    if (this.#table !== undefined) {
      if (end - at === 2 && bytes[at] === BACKSLASH && bytes[at + 1] === DOT) {
        this.#rows.set(this.#table, (this.#rows.get(this.#table) ?? 0) + this.#count);
        this.#table = undefined;
      } else {
        this.#count += 1;
      }
      return;
    }
    const line = bytes.toString('utf8', at, Math.min(end, at + MOST_KEPT));
    if (line.startsWith('COPY ') && line.endsWith(' FROM stdin;')) {
      const [, schema = '', table = ''] = COPY.exec(line) ?? [];
      this.#table = `${unquoted(schema)}.${unquoted(table)}`;
      this.#count = 0;
    } else if (line === '-- PostgreSQL database dump complete') {
      this.#complete = true;
    }
  }
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
