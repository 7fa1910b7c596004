import { setTimeout as sleep } from 'node:timers/promises';
import { type GlanceAnswer, type GlanceBody, glanceUser } from '../../lab/glance/glance-api.ts';
import { random } from '../../lab/process/random.ts';

/** What a request is for; each kind is measured by itself. */
export type Operation = 'create' | 'upload' | 'show' | 'download' | 'list' | 'share' | 'tag' | 'delete';

/** One request that was answered, or was not. */
export interface Answered {
  readonly stage: string;
  readonly operation: Operation;
  readonly milliseconds: number;
  /** Why it counts as failed: its status, or what the connection said. */
  readonly failure?: string;
}

/** Users of the image API who work at a constant rate. */
export interface ImageLoad {
  readonly answered: readonly Answered[];
  /** The stage that requests belong to which begin from now on. */
  stage(name: string): void;
  /** Ends the load, and says what of its images is not as it was made; empty when all is well. */
  stop(): Promise<readonly string[]>;
}

interface OwnImage {
  readonly id: string;
  readonly content: string;
  uploaded: boolean;
  shared: boolean;
  tagged: boolean;
}

/** Options of a load. */
export interface ImageLoadOptions {
  /** The URL of the API. */
  readonly url: string;
  /** Requests in a second, of all users together. */
  readonly rate: number;
  /** How many users work, each in a project of its own and with one request at a time. */
  readonly users: number;
  readonly seed: number;
}

/** A user keeps so many images, and deletes one before it makes another. */
const MOST_IMAGES = 8;

/**
 * Starts users who create, upload, show, download, list, share, tag and delete images, each in a
 * rhythm of its own that does not wait for the answer of others.
 */
export function startImageLoad({ url, rate, users, seed }: ImageLoadOptions): ImageLoad {
  const answered: Answered[] = [];
  const next = random(seed);
  let stage = '';
  let stopped = false;
  const projects = Array.from({ length: users }, (_, number) => `project-${number}`);
  const working = projects.map((project, number) => work(project, projects[number - 1] ?? 'project-none'));

  async function work(project: string, neighbour: string): Promise<readonly string[]> {
    const user = glanceUser(url, project);
    const images: OwnImage[] = [];

    async function ask(
      operation: Operation,
      method: string,
      path: string,
      expected: number,
      body?: GlanceBody,
    ): Promise<GlanceAnswer | undefined> {
      const began = { stage, at: performance.now() };
      const { answer, failure } = await user.call(method, `/v2/images${path}`, body).then(
        (given) => ({
          answer: given,
          failure: given.status === expected ? undefined : `${given.status} ${given.text.slice(0, 200)}`,
        }),
        (error: Error) => ({ answer: undefined, failure: `${error.cause ?? error.message}` }),
      );
      const milliseconds = performance.now() - began.at;
      answered.push({
        stage: began.stage,
        operation,
        milliseconds,
        ...(failure === undefined ? {} : { failure: `${method} ${path || '/'}: ${failure}` }),
      });
      return failure === undefined ? answer : undefined;
    }

    async function create(): Promise<void> {
      const made = await ask(
        'create',
        'POST',
        '',
        201,
        json({ disk_format: 'raw', container_format: 'bare' }),
      );
      if (made === undefined) return;
      const { id } = JSON.parse(made.text);
      images.push({ id, content: `of ${id}`, uploaded: false, shared: false, tagged: false });
    }

    async function advance(image: OwnImage): Promise<void> {
      if (!image.uploaded) {
        const body = { type: 'application/octet-stream', content: image.content };
        image.uploaded = (await ask('upload', 'PUT', `/${image.id}/file`, 204, body)) !== undefined;
      } else if (!image.shared) {
        const body = json({ member: neighbour });
        image.shared = (await ask('share', 'POST', `/${image.id}/members`, 200, body)) !== undefined;
      } else if (!image.tagged) {
        image.tagged = (await ask('tag', 'PUT', `/${image.id}/tags/kept`, 204)) !== undefined;
      } else {
        await ask('download', 'GET', `/${image.id}/file`, 200);
      }
    }

    async function once(): Promise<void> {
      const image = images[Math.floor(next() * images.length)];
      const chance = next();
      if (image === undefined || (chance < 0.2 && images.length < MOST_IMAGES)) await create();
      else if (chance < 0.35) await ask('list', 'GET', '?limit=20', 200);
      else if (chance < 0.55) await ask('show', 'GET', `/${image.id}`, 200);
      else if (chance < 0.62 && images.length === MOST_IMAGES) {
        await ask('delete', 'DELETE', `/${image.id}`, 204);
        images.splice(images.indexOf(image), 1);
      } else await advance(image);
    }

    const pause = (1000 * users) / rate;
    let due = performance.now() + next() * pause;
    while (!stopped) {
      await sleep(Math.max(0, due - performance.now()));
      due = Math.max(due + pause, performance.now());
      if (!stopped) await once();
    }
    const wrong = await Promise.all(images.map((image) => differences(image)));
    return wrong.flat();

    async function differences(image: OwnImage): Promise<readonly string[]> {
      const shown = JSON.parse((await user.call('GET', `/v2/images/${image.id}`)).text);
      const members = JSON.parse((await user.call('GET', `/v2/images/${image.id}/members`)).text);
      const content = image.uploaded ? (await user.call('GET', `/v2/images/${image.id}/file`)).text : '';
      const facts: readonly (readonly [string, unknown, unknown])[] = [
        ['visibility', shown.visibility, 'shared'],
        ['status', shown.status, image.uploaded ? 'active' : 'queued'],
        ['tags', String(shown.tags), image.tagged ? 'kept' : ''],
        ['members', members.members?.length, image.shared ? 1 : 0],
        ['content', content, image.uploaded ? image.content : ''],
      ];
      return facts
        .filter(([, found, made]) => found !== made)
        .map(([what, found, made]) => `${what} of ${image.id}: ${found} and not ${made}`);
    }
  }

  return {
    answered,
    stage(name) {
      stage = name;
    },
    async stop() {
      stopped = true;
      return (await Promise.all(working)).flat();
    },
  };
}

function json(value: unknown): GlanceBody {
  return { type: 'application/json', content: JSON.stringify(value) };
}
