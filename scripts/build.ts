import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

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
 * Bundles the program into dist/glance-schema.js, which the image, the Job and the tests run, and dist/chunks, which it
 * loads when it needs them. `--single-file` leaves one file that starts more slowly, `--source-map` adds maps, `--sizes`
 * tells what takes the room.
 */
async function main(): Promise<void> {
  const singleFile = process.argv.includes('--single-file');
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const result = await build({
    entryPoints: { 'glance-schema': `${root}src/main.ts` },
    outdir: `${root}dist`,
    // Reading sequelize and the Kubernetes client would cost each short command 0.15 s.
    splitting: !singleFile,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    keepNames: true,
    sourcemap: process.argv.includes('--source-map') ? 'linked' : false,
    legalComments: 'none',
    define: { GLANCE_SCHEMA_VERSION: JSON.stringify(version) },
    banner: {
      js: [
        '#!/usr/bin/env node',
        "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
      ].join('\n'),
    },
    // Asked for by name at run time and only by what is not used here.
    external: [
      'pg-native',
      'pg-hstore',
      'mariadb',
      'tedious',
      'sqlite3',
      'oracledb',
      'snowflake-sdk',
      'ibm_db',
    ],
    plugins: [kubernetesWithoutSideEffects, leaveOut],
    metafile: true,
    logLevel: 'warning',
  });
  chmodSync(`${root}dist/glance-schema.js`, 0o755);
  removeOldChunks(new Set(Object.keys(result.metafile.outputs)));
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    if (output.bytes > 100_000 || output.entryPoint === 'src/main.ts') {
      process.stdout.write(`${path} ${(output.bytes / 1024).toFixed(0)} KiB\n`);
    }
    if (process.argv.includes('--sizes')) {
      const inputs = Object.entries(output.inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
      for (const [name, input] of inputs.slice(0, 30)) {
        process.stdout.write(`  ${(input.bytesInOutput / 1024).toFixed(0).padStart(5)} ${name}\n`);
      }
    }
  }
}

/** Takes away chunks that no build of the last hour has left: a program that still runs may load one late. */
function removeOldChunks(current: ReadonlySet<string>): void {
  const folder = `${root}dist/chunks`;
  const files = existsSync(folder) ? readdirSync(folder) : [];
  for (const file of files) {
    const path = `${folder}/${file}`;
    if (!current.has(`dist/chunks/${file}`) && Date.now() - statSync(path).mtimeMs > 3_600_000) {
      rmSync(path);
    }
  }
}

await main();
