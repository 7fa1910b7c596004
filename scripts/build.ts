import { chmodSync, readFileSync } from 'node:fs';
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

/** Bundles the whole program into the one file that the image, the Job and the tests run. */
async function main(): Promise<void> {
  const outfile = `${root}dist/glance-schema.js`;
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const result = await build({
    entryPoints: [`${root}src/main.ts`],
    outfile,
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
      'mysql2',
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
  chmodSync(outfile, 0o755);
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    process.stdout.write(`${path} ${(output.bytes / 1024).toFixed(0)} KiB\n`);
    if (process.argv.includes('--sizes')) {
      const inputs = Object.entries(output.inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
      for (const [name, input] of inputs.slice(0, 30)) {
        process.stdout.write(`  ${(input.bytesInOutput / 1024).toFixed(0).padStart(5)} ${name}\n`);
      }
    }
  }
}

await main();
