import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a `go.mod` pins; it is the only place that names these versions. */
export interface GoMod {
  /** The oldest Go that can build it, as the `go` line has it. */
  readonly go: string;
  /** The version of a required module, with its `v`. Throws when none is required. */
  version(module: string): string;
}

/** Reads the `go.mod` of a folder. Throws when it has no `go` line. */
export function readGoMod(folder: string): GoMod {
  const file = join(folder, 'go.mod');
  const lines = readFileSync(file, 'utf8').split('\n');
  const wordAfter = (before: string): string => {
    for (const line of lines) {
      const words = line
        .trim()
        .replace(/^require /, '')
        .split(' ');
      if (words[0] === before && words[1] !== undefined) return words[1];
    }
    throw new Error(`Cannot read the version of ${before} from ${file}: no line names it`);
  };
  return { go: wordAfter('go'), version: wordAfter };
}
