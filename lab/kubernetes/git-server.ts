import { execFile, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { reaper } from '../process/reaper.ts';

/** A Git repository on loopback, and a clone of it to commit in. */
export interface GitServer {
  readonly url: string;
  /** Writes files, commits and pushes them to `main`; null removes one. Returns the commit. */
  commit(message: string, files: Readonly<Record<string, string | null>>): Promise<string>;
  /** `git revert` of the last commit. */
  revert(): Promise<string>;
  stop(): void;
}

const run = promisify(execFile);

/**
 * Serves a new repository by Git's own `git http-backend`, behind the smallest server that can run
 * it.
 */
export async function startGitServer(): Promise<GitServer> {
  const folder = reaper.makeFolder('glance-schema-git-');
  const clone = join(folder, 'clone');
  const settings = ['user.name=test', 'user.email=test@example.org', 'init.defaultBranch=main'];
  const git = async (...args: readonly string[]): Promise<string> => {
    const given = settings.flatMap((setting) => ['-c', setting]);
    return (await run('git', [...given, ...args], { cwd: folder })).stdout.trim();
  };
  await git('init', '--bare', 'served/openstack.git');
  await git('init', clone);
  await git('-C', clone, 'remote', 'add', 'origin', join(folder, 'served/openstack.git'));
  const backend = join(await git('--exec-path'), 'git-http-backend');

  const server = createServer((request, response) =>
    answer(request, response, backend, join(folder, 'served')),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  async function push(): Promise<string> {
    await git('-C', clone, 'push', '--quiet', 'origin', 'main');
    return git('-C', clone, 'rev-parse', 'HEAD');
  }

  return {
    url: `http://127.0.0.1:${port}/openstack.git`,
    async commit(message, files) {
      for (const [name, text] of Object.entries(files)) {
        const path = join(clone, name);
        mkdirSync(dirname(path), { recursive: true });
        if (text === null) rmSync(path);
        else writeFileSync(path, text);
      }
      await git('-C', clone, 'add', '--all');
      await git('-C', clone, 'commit', '--quiet', '--message', message);
      return push();
    },
    async revert() {
      await git('-C', clone, 'revert', '--no-edit', 'HEAD');
      return push();
    },
    stop() {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}

/** One request by CGI: headers, a blank line, and the body. */
function answer(request: IncomingMessage, response: ServerResponse, backend: string, served: string): void {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const child = spawn(backend, {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: served,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
      REMOTE_USER: 'test',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('close', () => {
    const all = Buffer.concat(chunks);
    const end = all.indexOf('\r\n\r\n');
    const headers = all.subarray(0, end).toString().split('\r\n');
    let status = 200;
    for (const line of headers) {
      const [name = '', value = ''] = line.split(/: */, 2);
      if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.writeHead(status).end(all.subarray(end + 4));
  });
}
