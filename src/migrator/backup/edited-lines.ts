const NEWLINE = 10;

/** How a dump's lines are changed on the way to the program that runs it. */
export interface LineEdits {
  /** The beginnings of the lines that `edit` is asked of. */
  readonly beginnings: readonly string[];
  /** The line that goes on in its place; undefined leaves it out. */
  edit(line: string): string | undefined;
  /** The beginning of the line from which on nothing is edited any more. */
  readonly until?: string;
}

/** A dump with some of its lines changed; all others pass as they are, in pieces of any length. */
export async function* editedLines(
  dump: AsyncIterable<Buffer>,
  { beginnings, edit, until }: LineEdits,
): AsyncGenerator<Buffer> {
  const asked = beginnings.map((text) => Buffer.from(text));
  const last = until === undefined ? undefined : Buffer.from(until);
  const longest = Math.max(...[...asked, ...(last === undefined ? [] : [last])].map(({ length }) => length));
  const begins = (line: Buffer, text: Buffer): boolean => line.subarray(0, text.length).equals(text);
  let held: Buffer = Buffer.alloc(0);
  let atHead = true;
  let done = false;
  for await (const chunk of dump) {
    const data = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    held = Buffer.alloc(0);
    let at = 0;
    let passed = 0;
    while (at < data.length && !done) {
      const end = data.indexOf(NEWLINE, at);
      if (atHead) {
        const line = data.subarray(at, end < 0 ? data.length : end);
        if (end < 0 && line.length < longest) {
          break;
        }
        if (last !== undefined && begins(line, last)) {
          done = true;
          break;
        }
        if (asked.some((text) => begins(line, text))) {
          if (end < 0) {
            break;
          }
          yield data.subarray(passed, at);
          const edited = edit(line.toString());
          if (edited !== undefined) {
            yield Buffer.from(`${edited}\n`);
          }
          at = end + 1;
          passed = at;
          continue;
        }
        atHead = false;
      }
      if (end < 0) {
        at = data.length;
      } else {
        at = end + 1;
        atHead = true;
      }
    }
    const upTo = done ? data.length : at;
    if (upTo > passed) {
      yield data.subarray(passed, upTo);
    }
    held = data.subarray(upTo);
  }
  if (held.length > 0) {
    yield held;
  }
}
