import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';

/** The text of CommonJS modules, by the names under which they `require` one another; `./main.js` is where it starts. */
export type Parts = ReadonlyMap<string, string>;

export interface OneFileOptions {
  /** Command lines that tell V8 which functions a short command comes to. */
  readonly runs: readonly (readonly string[])[];
  /** The exit code of each run. */
  readonly expected: number;
  /** Parts that only a long command loads: compiled beforehand too, but packed. */
  readonly later: readonly string[];
}

/** What V8 made of a part, and whether every command reads it. */
interface Compiled {
  readonly code: Buffer;
  readonly always: boolean;
}

/**
 * Puts a program into one file from which each part is read when it is asked for, with what V8 made of it when it was
 * compiled here: another V8 than that of this process does not take that, and compiles the part itself.
 *
 * @throws Error when a run ends otherwise than expected
 */
export function oneFile(parts: Parts, { runs, expected, later }: OneFileOptions): string {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-build-'));
  const compiled = new Map<string, Compiled>();
  try {
    const program = join(folder, 'program.cjs');
    const left = join(folder, 'compiled.json');
    writeFileSync(program, assemble(parts, compiled, leaveCompiled(left, later)));
    for (const args of runs) {
      const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
      if (status !== expected) {
        throw new Error(
          `Cannot compile the program beforehand: '${args.join(' ')}' ended with ${status}: ${stderr}`,
        );
      }
      const found: readonly [string, string, boolean][] = JSON.parse(readFileSync(left, 'utf8'));
      for (const [name, text, always] of found) {
        const code = Buffer.from(text, 'base64');
        const before = compiled.get(name);
        compiled.set(name, {
          code: before === undefined || code.length > before.code.length ? code : before.code,
          always: always || before?.always === true,
        });
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return assemble(parts, compiled, '');
}

/** What a run of the build says at its end. */
function leaveCompiled(file: string, later: readonly string[]): string {
  return `process.on('exit', () => {
  const always = new Set(Object.keys(scripts));
  for (const name of ${JSON.stringify(later)}) load(name);
  const found = Object.entries(scripts).map(([name, script]) => [
    name, script.createCachedData().toString('base64'), always.has(name)]);
  writeFileSync(${JSON.stringify(file)}, JSON.stringify(found));
});`;
}

/** The parts stand in a comment at the end, so that Node need not read them to start. */
function assemble(parts: Parts, compiled: ReadonlyMap<string, Compiled>, extra: string): string {
  const texts: string[] = [];
  let length = 0;
  function place(text: string): readonly [number, number] {
    const at = length;
    const bytes = Buffer.byteLength(text);
    texts.push(text);
    length += bytes;
    return [at, bytes];
  }
  const packed = (bytes: Buffer | string): readonly [number, number] =>
    place(deflateRawSync(bytes).toString('base64'));
  const index = [...parts].map(([name, text]) => {
    const found = compiled.get(name);
    // What every command reads is not packed: unpacking it would cost more than reading it.
    return [
      name,
      found?.always === true
        ? { plain: place(text.replaceAll('*/', STAND_IN)), code: place(found.code.toString('base64')) }
        : { packed: packed(text), ...(found === undefined ? {} : { packedCode: packed(found.code) }) },
    ];
  });
  return `#!/usr/bin/env node
'use strict';
const { fstatSync, openSync, readSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const index = ${JSON.stringify(Object.fromEntries(index))};
const file = openSync(__filename);
const begin = fstatSync(file).size - ${length + TAIL.length};
const scripts = {};
const loaded = {};
function read([at, length]) {
  const bytes = Buffer.allocUnsafe(length);
  readSync(file, bytes, 0, length, begin + at);
  return bytes.toString();
}
function unpack(place) {
  return require('node:zlib').inflateRawSync(Buffer.from(read(place), 'base64'));
}
function load(name) {
  if (!(name in index)) return require(name);
  if (!(name in loaded)) {
    const { plain, code, packed, packedCode } = index[name];
    const text = plain ? read(plain).replaceAll('${STAND_IN}', '*/') : unpack(packed).toString();
    const cachedData = code ? Buffer.from(read(code), 'base64') : packedCode && unpack(packedCode);
    scripts[name] = new Script(text, { filename: name, cachedData });
    loaded[name] = { exports: {} };
    scripts[name].runInThisContext()(loaded[name].exports, load, loaded[name]);
  }
  return loaded[name].exports;
}
${extra}
load('./main.js');
/*${texts.join('')}${TAIL}`;
}

const TAIL = '*/\n';

/** In the place of what would end the comment: no text has a tilde there. */
const STAND_IN = '*~~/';
