// `make bench-backup`: a backup with its proof beside the engine's own program alone, in one run, as
// a Markdown table.
//
// node bench/backup.ts [--engine postgres|mariadb] [--images N] [--runs N]
//
// Absolute times say nothing outside of this machine and moment; the ratios of one run do.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeClientFolder } from '../lab/databases/backup-clients.ts';
import { seedNewton } from '../lab/databases/glance-data.ts';
import { seedMysqlNewton } from '../lab/databases/glance-data-mysql.ts';
import { LARGE_LOG, startMariaDb } from '../lab/databases/mariadb.ts';
import { startPostgres } from '../lab/databases/postgres.ts';
import { bundle } from '../lab/process/bundle.ts';
import { endOf } from '../lab/process/program-end.ts';
import { findPostgres } from '../lab/tools/distribution-packages.ts';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', multiple: true, default: ['postgres', 'mariadb'] },
    images: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
  },
});
const images = Number(values.images);
const runs = Number(values.runs);
const clients = makeClientFolder();
const folder = mkdtempSync(join(tmpdir(), 'glance-schema-bench-backup-'));

/** A server with images, and how its own program is run alone; the file is on the disk at its end. */
interface Subject {
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  readonly bare: Readonly<Record<'compressed' | 'plain', string>>;
  stop(): Promise<void>;
}

const SUBJECTS: Readonly<Record<string, () => Promise<Subject>>> = {
  async postgres() {
    const bin = findPostgres();
    const server = await startPostgres(bin === null ? {} : { bin });
    const url = await server.createDatabase('glance');
    await seedNewton(url, { images });
    return {
      url,
      env: {
        PGHOST: server.host,
        PGPORT: String(server.port),
        PGUSER: server.user,
        PGPASSWORD: server.password,
        PGDATABASE: 'glance',
      },
      bare: { compressed: 'pg_dump --format=custom', plain: 'pg_dump --format=custom --compress=0' },
      stop: () => server.stop(),
    };
  },
  async mariadb() {
    const server = await startMariaDb({ settings: LARGE_LOG });
    const url = await server.createDatabase('glance');
    await seedMysqlNewton(url, { images });
    const dump = `mariadb-dump --no-defaults --host=${server.host} --port=${server.port} --user=${server.user} --single-transaction --quick --hex-blob glance`;
    return {
      url,
      env: { MYSQL_PWD: server.password },
      bare: { compressed: `${dump} | gzip -1`, plain: dump },
      stop: () => server.stop(),
    };
  },
};

try {
  console.log(`${images} images, medians of ${runs} rounds, in turn\n`);
  console.log('| engine | format | program alone | backup and proof | ratio |\n|---|---|---|---|---|');
  for (const engine of values.engine) {
    const subject = await SUBJECTS[engine]?.();
    if (subject === undefined) throw new Error(`There is no engine '${engine}'`);
    try {
      for (const format of ['compressed', 'plain'] as const) {
        await race(engine, subject, format);
      }
    } finally {
      await subject.stop();
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  clients.remove();
}

async function race(engine: string, subject: Subject, format: 'compressed' | 'plain'): Promise<void> {
  const file = join(folder, 'bare');
  const alone: number[] = [];
  const ours: number[] = [];
  for (let round = 0; round < runs; round += 1) {
    alone.push(await time('sh', ['-c', `${subject.bare[format]} > ${file}; sync ${file}`], subject.env));
    const args = [bundle(), 'db', 'backup', folder, '--format', format, '--retain', '1'];
    ours.push(await time(process.execPath, args, { DATABASE_CONNECTION: subject.url }));
  }
  const [one, other] = [median(alone), median(ours)];
  console.log(
    `| ${engine} | ${format} | ${one.toFixed(1)} s | ${other.toFixed(1)} s | ${(other / one).toFixed(2)} |`,
  );
}

async function time(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const started = performance.now();
  const { code, stderr } = await endOf(spawn(program, [...args], { env: { ...env, PATH: clients.path } }));
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
  return (performance.now() - started) / 1000;
}

function median(times: readonly number[]): number {
  return [...times].sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0;
}
