import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';

/** The text of CommonJS modules, by the names under which they `require` one another; `./main.js` is where it starts. */
export type Parts = ReadonlyMap<string, string>;

/**
 * Puts a program into one file from which each part is read when it is asked for, with what V8 made of it when it was
 * compiled here: another V8 than that of this process does not take that, and compiles the part itself.
 *
 * @param runs command lines that tell V8 which functions a short command comes to
 * @param expected the exit code of each run
 */
export function oneFile(parts: Parts, runs: readonly (readonly string[])[], expected: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-build-'));
  const compiled = new Map<string, Buffer>();
  try {
    const program = join(folder, 'program.cjs');
    const left = join(folder, 'compiled.json');
    writeFileSync(program, assemble(parts, compiled, leaveCompiled(left)));
    for (const args of runs) {
      const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
      if (status !== expected) {
        throw new Error(
          `Cannot compile the program beforehand: '${args.join(' ')}' ended with ${status}: ${stderr}`,
        );
      }
      for (const [name, code] of Object.entries<string>(JSON.parse(readFileSync(left, 'utf8')))) {
        const bytes = Buffer.from(code, 'base64');
        if (bytes.length > (compiled.get(name)?.length ?? 0)) {
          compiled.set(name, bytes);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return assemble(parts, compiled, '');
}

/** What a run of the build says at its end. */
function leaveCompiled(file: string): string {
  return `process.on('exit', () => {
  const code = Object.entries(scripts).map(([name, script]) => [name, script.createCachedData().toString('base64')]);
  writeFileSync(${JSON.stringify(file)}, JSON.stringify(Object.fromEntries(code)));
});`;
}

/** The parts stand in a comment at the end, so that Node need not read them to start. */
function assemble(parts: Parts, compiled: ReadonlyMap<string, Buffer>, extra: string): string {
  const texts: string[] = [];
  let length = 0;
  function place(text: string): readonly [number, number] {
    const at = length;
    texts.push(text);
    length += text.length;
    return [at, text.length];
  }
  const index = [...parts].map(([name, text]) => {
    const code = compiled.get(name);
    // What every command reads is not packed: unpacking it would cost more than reading it.
    return [
      name,
      code === undefined
        ? { packed: place(deflateRawSync(text).toString('base64')) }
        : { plain: place(text.replaceAll('*/', STAND_IN)), code: place(code.toString('base64')) },
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
  return bytes.latin1Slice();
}
function load(name) {
  if (!(name in index)) return require(name);
  if (!(name in loaded)) {
    const { packed, plain, code } = index[name];
    const text = plain
      ? read(plain).replaceAll('${STAND_IN}', '*/')
      : require('node:zlib').inflateRawSync(Buffer.from(read(packed), 'base64')).toString();
    const cachedData = code && Buffer.from(read(code), 'base64');
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
