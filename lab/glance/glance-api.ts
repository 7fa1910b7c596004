import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import { eventually } from '../process/eventually.ts';
import { freePort } from '../process/free-port.ts';
import { reaper } from '../process/reaper.ts';
import { startServerProcess } from '../process/server-process.ts';
import { withDriver } from './glance-manage.ts';
import type { RealGlance } from './real-glance.ts';

/** The real Glance API on a database and a file store of its own. */
export interface GlanceApi {
  /** Where it listens, on loopback. */
  readonly port: number;
  /** The folder with the content of images. */
  readonly store: string;
  /** A user of a project, with the role `member`. */
  as(project: string): GlanceUser;
  stop(): Promise<void>;
}

/** One user of the image API, as which requests are made. */
export interface GlanceUser {
  /** Calls the API with what the keystone middleware would have put into the headers. */
  call(method: string, path: string, body?: GlanceBody): Promise<GlanceAnswer>;
  /** All images that the user's list shows, by id. */
  list(query?: string): Promise<readonly GlanceImage[]>;
}

/** The body of a request: its media type and its text. */
export interface GlanceBody {
  readonly type: string;
  readonly content: string;
}

/** What the API answered: the HTTP status and the text of the body. */
export interface GlanceAnswer {
  readonly status: number;
  readonly text: string;
}

/** The fields of an image that tests compare, as the API names them. */
export interface GlanceImage {
  readonly id: string;
  readonly visibility: string;
  readonly owner: string;
  readonly status: string;
}

const PASTE = `
[composite:glance-api]
paste.composite_factory = glance.api:root_app_factory
/: api

[pipeline:api]
pipeline = versionnegotiation context rootapp

[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app

[app:apiversions]
paste.app_factory = glance.api.versions:create_resource

[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory

[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory

[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
`;

/** With which database and which store of images the API is started. */
export interface GlanceApiOptions {
  readonly url: string;
  /**
   * A folder with the content of images, which several APIs may share; absent means a new one that
   * goes with `stop`.
   */
  readonly store?: string;
}

/**
 * Serves Glance as a WSGI application on loopback. Identity comes from headers alone: no keystone
 * is asked.
 */
export async function startGlanceApi(glance: RealGlance, options: GlanceApiOptions): Promise<GlanceApi> {
  const folder = reaper.makeFolder('glance-schema-api-');
  for (const name of ['images', 'staging', 'tasks']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'glance-api-paste.ini'), PASTE);
  writeFileSync(join(folder, 'glance-api.conf'), config(folder, options));
  const port = await freePort();
  const logFile = join(folder, 'server.log');
  const server = startServerProcess({
    name: 'the Glance API',
    path: glance.program('waitress-serve'),
    // Every release has this entry, whatever else it calls its WSGI application.
    args: [`--listen=127.0.0.1:${port}`, '--threads=2', '--call', 'glance.common.wsgi_app:init_app'],
    logFile,
    env: { PATH: process.env.PATH, OS_GLANCE_CONFIG_DIR: folder, PYTHONWARNINGS: 'ignore' },
  });
  const base = `http://127.0.0.1:${port}`;

  const as = (project: string): GlanceUser => glanceUser(base, project);

  await eventually(
    async () => {
      server.assertRunning();
      const { status } = await as('nobody').call('GET', '/v2/schemas/image');
      if (status !== 200) throw new Error(`the Glance API answers ${status}`);
    },
    { timeoutMilliseconds: 60_000, everyMilliseconds: 200 },
  );
  return {
    port,
    store: options.store ?? join(folder, 'images'),
    as,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}

/** A user of a project, with the role `member`, of the Glance API at this URL. */
export function glanceUser(base: string, project: string): GlanceUser {
  const headers = {
    'X-Identity-Status': 'Confirmed',
    'X-User-Id': `user-of-${project}`,
    'X-Project-Id': project,
    'X-Roles': 'member,reader',
  };
  async function call(method: string, path: string, body?: GlanceBody): Promise<GlanceAnswer> {
    const answer = await fetch(`${base}${path}`, {
      method,
      headers: { ...headers, ...withoutUndefined({ 'Content-Type': body?.type }) },
      ...withoutUndefined({ body: body?.content }),
    });
    return { status: answer.status, text: await answer.text() };
  }
  return {
    call,
    async list(query = '') {
      const images: GlanceImage[] = [];
      let next: string | undefined = `/v2/images?limit=100${query}`;
      while (next !== undefined) {
        const { status, text } = await call('GET', next);
        if (status !== 200) throw new Error(`Cannot list images: ${status} ${text}`);
        const page = JSON.parse(text);
        images.push(...page.images);
        next = page.next;
      }
      return images.sort((one, other) => (one.id < other.id ? -1 : 1));
    },
  };
}

function config(folder: string, { url, store }: GlanceApiOptions): string {
  return `
[DEFAULT]
enabled_backends = here:file
enabled_import_methods = []
lock_path = ${folder}
[database]
connection = ${withDriver(url)}
[glance_store]
default_backend = here
[here]
filesystem_store_datadir = ${store ?? join(folder, 'images')}
[os_glance_staging_store]
filesystem_store_datadir = ${folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = ${folder}/tasks
[oslo_concurrency]
lock_path = ${folder}
[paste_deploy]
config_file = ${folder}/glance-api-paste.ini
`;
}
