import type { Part, Suite } from './suites.ts';

/** What `make test ONLY=...` asks for. */
export interface Selection {
  readonly parts: readonly Part[];
  /** Only the tests whose full title has this in it; undefined for all. */
  readonly title?: string;
  /** What stands among the names of suites and files and is none of them; absent for none. */
  readonly unknown?: string;
}

/**
 * Reads ONLY: suites and files, as `integration/api` or `test/unit/glance/chain.test.ts`, separated
 * by blanks; or else the title of a test, or a part of it. Beside the path of a suite or a file,
 * every word has to name one. Absent means all, but for suites that run only by their name.
 */
export function select(only: string, suites: readonly Suite[]): Selection {
  const all = suites.filter(({ onlyByName }) => !onlyByName).flatMap(({ parts }) => parts);
  const words = only.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return { parts: all };
  const chosen = words.map((word) => named(word, suites));
  if (chosen.some((parts) => parts.length === 0)) {
    const found = new Set(words.filter((_, index) => chosen[index]?.length !== 0));
    const namesAPath = [...found].some((word) => word.includes('/'));
    const unknown = words.find((word) => !found.has(word) && (namesAPath || word.includes('/')));
    if (unknown !== undefined && found.size > 0) return { parts: [], unknown };
    return { parts: all, title: only.trim() };
  }
  return { parts: [...new Set(chosen.flat())] };
}

/**
 * A suite, a folder of suites, or a file. A file of a suite that runs as one process is a part of
 * its own.
 */
function named(word: string, suites: readonly Suite[]): readonly Part[] {
  const name = word.replace(/^\.?\/?test\//, '').replace(/\/$/, '');
  const path = name.replace(/\.test\.ts$/, '');
  const inside = suites
    .flatMap(({ parts }) => parts)
    .filter((part) => part.name === path || isIn(part.name, path));
  if (inside.length > 0) return inside;
  return suites
    .flatMap(({ parts }) => parts)
    .flatMap((part) => {
      const files = part.files.filter(
        (file) => file === `test/${path}.test.ts` || isIn(file, `test/${path}`),
      );
      return files.length === 0 ? [] : [{ ...part, name: path, files }];
    });
}

function isIn(name: string, folder: string): boolean {
  return name.startsWith(`${folder}/`);
}
