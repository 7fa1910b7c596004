/** What a program writes, of which some was read already. */
export interface BegunOutput {
  /** All of it, from the first byte. */
  readonly output: AsyncIterable<Buffer>;
  /** Whether that is all that comes. */
  readonly whole: boolean;
}

/** Reads what a program writes until it is enough, or its end. */
export async function readUntil(
  output: AsyncIterable<Buffer>,
  isEnough: (begun: Buffer) => boolean,
): Promise<BegunOutput> {
  const chunks = output[Symbol.asyncIterator]();
  const begun: Buffer[] = [];
  let whole = false;
  while (!whole && !isEnough(Buffer.concat(begun))) {
    const next = await chunks.next();
    if (next.done === true) {
      whole = true;
    } else {
      begun.push(next.value);
    }
  }
  return {
    output: (async function* () {
      yield* begun;
      yield* { [Symbol.asyncIterator]: () => chunks };
    })(),
    whole,
  };
}
