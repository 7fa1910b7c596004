import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { build, type Metafile, type Plugin } from 'esbuild';

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
 * Bundles the program into the one file dist/glance-schema.js, which the image, the Job and the tests run. `--sizes` tells
 * what takes the room.
 *
 * Reading all of sequelize and the Kubernetes client would cost each short command 0.15 s. So the parts that a command
 * loads when it needs them are in the file as compressed text, and Node's module hooks hand them out.
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
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire('/');",
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
  const parts = outputFiles.map(({ path, text }) => [
    basename(path),
    deflateRawSync(text).toString('base64'),
  ]);
  const outfile = `${root}dist/glance-schema.js`;
  mkdirSync(dirname(outfile), { recursive: true });
  // In one step, as a program that runs may be reading it.
  writeFileSync(`${outfile}.new`, loader(JSON.stringify(Object.fromEntries(parts))));
  chmodSync(`${outfile}.new`, 0o755);
  renameSync(`${outfile}.new`, outfile);
  console.log(`dist/glance-schema.js ${Math.round(statSync(outfile).size / 1024)} KiB`);
  if (process.argv.includes('--sizes')) {
    tellSizes(metafile);
  }
}

/** The file itself: the parts, and the hooks by which they import one another and are read. */
function loader(parts: string): string {
  return `#!/usr/bin/env node
import { registerHooks } from 'node:module';
import { inflateRawSync } from 'node:zlib';
const parts = ${parts};
const scheme = 'glance-schema:/';
registerHooks({
  resolve: (specifier, context, next) =>
    specifier.startsWith('./') && context.parentURL?.startsWith(scheme)
      ? { url: scheme + specifier.slice(2), format: 'module', shortCircuit: true }
      : next(specifier, context),
  load: (url, context, next) =>
    url.startsWith(scheme)
      ? {
          format: 'module',
          source: inflateRawSync(Buffer.from(parts[url.slice(scheme.length)], 'base64')),
          shortCircuit: true,
        }
      : next(url, context),
});
await import(scheme + 'main.js');
`;
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
