import { arch, platform } from 'node:process';

/** What a program prints, and how it ends, that has loaded the shared object below. */
export const OWNED = { says: 'code of a tenant runs here\n', code: 42 } as const;

/** Whether this machine can load it. */
export const RUNS_SHARED_OBJECT = platform === 'linux' && arch === 'x64';

/**
 * The smallest shared object of Linux on x86-64: code of somebody's own, which runs as soon as it
 * is loaded, says so on stderr and ends the process. One segment, the tables that the loader of
 * glibc asks for, and DT_INIT.
 *
 * Source: the System V ABI, chapters 4 and 5; `man 5 elf`.
 */
export function sharedObject(): Buffer {
  const says = Buffer.from(OWNED.says);
  // write(2, says, length); exit_group(42)
  const code = Buffer.from([
    ...[0xb8, 1, 0, 0, 0, 0xbf, 2, 0, 0, 0],
    ...[0x48, 0x8d, 0x35, 19, 0, 0, 0, 0xba, says.length, 0, 0, 0, 0x0f, 0x05],
    ...[0xb8, 231, 0, 0, 0, 0xbf, OWNED.code, 0, 0, 0, 0x0f, 0x05],
  ]);
  const header = 64 + 2 * 56;
  const dynamic = header;
  const hash = dynamic + 7 * 16;
  const symbols = hash + 16;
  const strings = symbols + 24;
  const start = strings + 8;
  const end = start + code.length + says.length;
  const whole = Buffer.alloc(end);
  const words = (at: number, ...values: readonly number[]) => {
    for (const [index, value] of values.entries()) whole.writeBigUInt64LE(BigInt(value), at + index * 8);
  };

  whole.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  whole.writeUInt16LE(3, 16); // a shared object
  whole.writeUInt16LE(62, 18); // x86-64
  whole.writeUInt32LE(1, 20);
  words(32, 64); // where the program headers are
  whole.writeUInt16LE(64, 52);
  whole.writeUInt16LE(56, 54);
  whole.writeUInt16LE(2, 56);
  whole.writeUInt16LE(64, 58);
  for (const [index, [type, flags, offset, size, align]] of [
    [1, 7, 0, end, 4096],
    [2, 6, dynamic, 7 * 16, 8],
  ].entries() as IterableIterator<[number, [number, number, number, number, number]]>) {
    const at = 64 + index * 56;
    whole.writeUInt32LE(type, at);
    whole.writeUInt32LE(flags, at + 4);
    words(at + 8, offset, offset, offset, size, size, align);
  }
  // DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_INIT, the end
  words(dynamic, 4, hash, 5, strings, 6, symbols, 10, 8, 11, 24, 12, start, 0, 0);
  whole.writeUInt32LE(1, hash);
  whole.writeUInt32LE(1, hash + 4);
  whole.set(code, start);
  whole.set(says, start + code.length);
  return whole;
}
