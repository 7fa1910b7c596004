import type { DumpReader } from '../engine/dump.ts';

const NEWLINE = 10;
const QUOTE = 39;
const OPEN = 40;
const CLOSE = 41;
const SEMICOLON = 59;
const BACKSLASH = 92;

/** So much of a line is kept as says what it is. */
const MOST_KEPT = 65_536;

const NAME = '`((?:[^`]|``)+)`';
const INSERT = new RegExp(`^INSERT INTO ${NAME} (?:\\((?:\`(?:[^\`]|\`\`)*\`,? ?)+\\) )?VALUES`);
const CREATE = new RegExp(`^CREATE TABLE ${NAME} \\(`);
/** MariaDB's sequence is a table of one row, for which there is no INSERT. */
const CREATE_SEQUENCE = new RegExp(`^CREATE SEQUENCE ${NAME} `);

/** Where the reader is: at the head of a line, in the rest of one, or among the rows of an INSERT. */
type State = 'head' | 'line' | 'rows' | 'row' | 'text' | 'escaped';

/**
 * Counts the rows of each table in what `mysqldump` writes: a row is a pair of brackets of an
 * INSERT, and within quotes a backslash takes the next byte as it is. Every statement begins a line,
 * as line breaks within values are escaped; what is between two DELIMITER is the body of a trigger.
 */
export class InsertRows {
  readonly #rows = new Map<string, number>();
  #state: State = 'head';
  #head: number[] = [];
  #table = '';
  #count = 0;
  #inBody = false;
  #triggers = 0;
  #views = 0;
  #complete = false;

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      at =
        this.#state === 'head' || this.#state === 'line'
          ? this.#scanLine(chunk, at)
          : this.#scanRows(chunk, at);
    }
  }

  content(): Awaited<ReturnType<DumpReader['end']>> {
    return {
      rows: this.#rows,
      complete: this.#complete && this.#state === 'head',
      made: { triggers: this.#triggers, views: this.#views },
    };
  }

  #scanLine(chunk: Buffer, from: number): number {
    const end = chunk.indexOf(NEWLINE, from);
    const stop = end < 0 ? chunk.length : end;
    if (this.#state === 'line') {
      if (end >= 0) {
        this.#state = 'head';
      }
      return stop + 1;
    }
    for (let at = from; at < stop; at += 1) {
      this.#head.push(chunk[at] ?? 0);
      // An INSERT is a line of any length: what it is has to be known before its end.
      if (chunk[at] === 83 && this.#isInsert()) {
        return at + 1;
      }
      if (this.#head.length > MOST_KEPT) {
        this.#forget('line');
        return at + 1;
      }
    }
    if (end >= 0) {
      this.#take(Buffer.from(this.#head).toString());
      this.#forget('head');
    }
    return stop + 1;
  }

  #isInsert(): boolean {
    // I, and behind it the end of VALUES: most lines are neither.
    if (this.#inBody || this.#head[0] !== 73) {
      return false;
    }
    const found = INSERT.exec(Buffer.from(this.#head).toString());
    if (found === null) {
      return false;
    }
    this.#table = unquoted(found[1]);
    this.#count = 0;
    this.#forget('rows');
    return true;
  }

  #forget(state: State): void {
    this.#head = [];
    this.#state = state;
  }

  #take(line: string): void {
    if (line.startsWith('DELIMITER ')) {
      this.#inBody = line !== 'DELIMITER ;';
      return;
    }
    if (/^\/\*!50003 CREATE\*\/.* TRIGGER /.test(line)) {
      this.#triggers += 1;
    }
    if (this.#inBody) {
      return;
    }
    if (line.startsWith('/*!50001 VIEW `')) {
      this.#views += 1;
      return;
    }
    const created = CREATE.exec(line);
    const sequence = CREATE_SEQUENCE.exec(line);
    if (created !== null) {
      const table = unquoted(created[1]);
      this.#rows.set(table, this.#rows.get(table) ?? 0);
    } else if (sequence !== null) {
      this.#rows.set(unquoted(sequence[1]), 1);
    } else if (line.startsWith('-- Dump completed')) {
      this.#complete = true;
    }
  }

  /** The state is kept in a local, as this is done for each byte of a database. */
  #scanRows(chunk: Buffer, from: number): number {
    let state = this.#state;
    let at = from;
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (state === 'text') {
        if (byte === BACKSLASH) {
          state = 'escaped';
        } else if (byte === QUOTE) {
          state = 'row';
        }
      } else if (state === 'escaped') {
        state = 'text';
      } else if (state === 'row') {
        if (byte === QUOTE) {
          state = 'text';
        } else if (byte === CLOSE) {
          state = 'rows';
        }
      } else if (byte === OPEN) {
        state = 'row';
        this.#count += 1;
      } else if (byte === SEMICOLON) {
        this.#rows.set(this.#table, (this.#rows.get(this.#table) ?? 0) + this.#count);
        this.#state = 'line';
        return at + 1;
      }
    }
    this.#state = state;
    return at;
  }
}

function unquoted(name = ''): string {
  return name.replaceAll('``', '`');
}
