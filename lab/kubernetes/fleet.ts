import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { API_VERSION, KIND, PLURAL, PURPOSE_ANNOTATION } from '../../src/contract/names.ts';
import { REVISIONS } from '../../src/glance/revisions.ts';
import { withClient } from '../databases/images.ts';
import { runCli } from '../process/bundle.ts';
import { eventually } from '../process/eventually.ts';
import type { Environment } from './environment.ts';
import type { KubeObject, TestApi } from './test-api.ts';

/** One GlanceSchema of a fleet, and its database. */
export interface Member {
  readonly name: string;
  /** The database's URL. */
  readonly url: string;
}

/** A Job as a watch showed it first. */
export interface SeenJob {
  readonly uid: string;
  readonly name: string;
  /** The name of the GlanceSchema that it works for. */
  readonly member: string;
  /** The revision that it is to lead to; null for a Job that only reads. */
  readonly target: string | null;
  /** When it was seen, as performance.now() has it. */
  readonly at: number;
}

/**
 * Many GlanceSchemas in one namespace, each with a Secret and a database of its own, all of them at
 * `liberty`.
 */
export interface Fleet {
  readonly namespace: string;
  /** Where the API server has the GlanceSchemas. */
  readonly path: string;
  readonly members: readonly Member[];
  /** Every Job that there ever was, by its uid. */
  readonly jobs: ReadonlyMap<string, SeenJob>;
  /** The newest that was seen of each GlanceSchema, by name. */
  readonly schemas: ReadonlyMap<string, KubeObject>;
  /** Calls with the member whose GlanceSchema or Job is seen to be new or changed. */
  onSeen(listener: (member: Member) => void): void;
  /** Asks for a revision by the one request that `kubectl apply --server-side` makes. */
  apply(member: Member, revision: string): Promise<void>;
  /** The revision that was asked for last. */
  wanted(member: Member): string | undefined;
  /** Whether it is UpToDate at the revision that was asked for. */
  isThere(member: Member): boolean;
  /** Resolves once all are there and nothing is left to do about them. */
  settled(timeoutMilliseconds: number): Promise<void>;
  /**
   * What is not as it must be once all are settled: each revision that was asked for had one Job,
   * the result of each Job is in the history once, and the status says what the database says. A
   * sentence each; empty when all is well.
   */
  faults(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** Of the revisions that a fleet can be asked for, in order; `liberty` is where it begins. */
export const FLEET_REVISIONS: readonly string[] = REVISIONS.map(({ name }) => name).slice(1);

const START = 'liberty';

/** How many entries `status.history` keeps. */
const MOST_HISTORY = 10;

/** Makes databases and Secrets, and no GlanceSchema yet. */
export async function startFleet(
  { api, postgres }: Environment,
  namespace: string,
  size: number,
): Promise<Fleet> {
  const path = `/apis/${API_VERSION}/namespaces/${namespace}/${PLURAL}`;
  await api.call('POST', '/api/v1/namespaces', {
    metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  const template = await postgres.createDatabase('fleet_template');
  const made = await runCli(['db', 'sync', START], { DATABASE_CONNECTION: template });
  if (made.code !== 0) {
    throw new Error(`Cannot make the fleet's first database: ${made.stderr}`);
  }
  const names = Array.from({ length: size }, (_, index) => `glance-${String(index).padStart(4, '0')}`);
  const members = names.map((name): Member => ({ name, url: postgres.url(name.replace('-', '_')) }));
  const unmade = [...members];
  async function makeDatabases(client: pg.Client): Promise<void> {
    for (let member = unmade.pop(); member !== undefined; member = unmade.pop()) {
      const { name, url } = member;
      const database = client.escapeIdentifier(name.replace('-', '_'));
      await client.query(`CREATE DATABASE ${database} TEMPLATE fleet_template STRATEGY FILE_COPY`);
      await api.call('POST', `/api/v1/namespaces/${namespace}/secrets`, {
        metadata: { name },
        stringData: { connection: url },
      });
    }
  }
  await Promise.all(Array.from({ length: 4 }, () => withClient(postgres.url('postgres'), makeDatabases)));

  const byName = new Map(members.map((member) => [member.name, member]));
  const asked = new Map<string, string[]>();
  const jobs = new Map<string, SeenJob>();
  const schemas = new Map<string, KubeObject>();
  const listeners: ((member: Member) => void)[] = [];
  const stopping = new AbortController();
  const following = [
    follow(api, `/apis/batch/v1/namespaces/${namespace}/jobs`, stopping.signal, (job) => {
      const seen = seenJob(job);
      if (!jobs.has(seen.uid)) jobs.set(seen.uid, seen);
      tell(seen.member);
    }),
    follow(api, path, stopping.signal, (schema) => {
      const name = schema.metadata?.name ?? '';
      schemas.set(name, schema);
      tell(name);
    }),
  ];

  function tell(name: string): void {
    const member = byName.get(name);
    if (member !== undefined) for (const listener of listeners) listener(member);
  }

  const wanted = ({ name }: Member): string | undefined => asked.get(name)?.at(-1);

  function isThere(member: Member): boolean {
    const { metadata, status } = schemas.get(member.name) ?? {};
    return (
      status?.targetRevision === wanted(member) &&
      status?.observedGeneration === metadata?.generation &&
      readyReason(status) === 'UpToDate'
    );
  }

  function isSettled(member: Member): boolean {
    return isThere(member) && (schemas.get(member.name)?.metadata?.finalizers ?? []).length === 0;
  }

  async function faultsOf(member: Member): Promise<readonly string[]> {
    const found: string[] = [];
    const check = (what: string, is: unknown, shouldBe: unknown): void => {
      if (JSON.stringify(is) !== JSON.stringify(shouldBe)) {
        found.push(`${member.name}: ${what} is ${JSON.stringify(is)} and not ${JSON.stringify(shouldBe)}.`);
      }
    };
    const { status } = await api.call('GET', `${path}/${member.name}`);
    const own = [...jobs.values()].filter((job) => job.member === member.name);
    check('the row of the targets of its Jobs', targets(own), asked.get(member.name) ?? []);
    check('the recorded revision', status?.recordedRevision, wanted(member));
    check('Ready', readyReason(status), 'UpToDate');
    const history: readonly KubeObject[] = status?.history ?? [];
    const newestFirst = own.map((job) => job.name).reverse();
    check(
      'the row of Jobs in the history',
      history.map(({ job }) => job),
      newestFirst.slice(0, MOST_HISTORY),
    );
    check('the row of failures', history.map(({ error }) => error).filter(Boolean), []);
    const heads = await databaseHeads(member.url);
    check('what the status says of the heads', [...(status?.databaseHeads ?? [])].sort(), heads);
    return found;
  }

  return {
    namespace,
    path,
    members,
    jobs,
    schemas,
    onSeen: (listener) => void listeners.push(listener),
    async apply(member, revision) {
      const row = asked.get(member.name) ?? [];
      asked.set(member.name, [...row, revision]);
      await applySchema(api, `${path}/${member.name}`, {
        metadata: { name: member.name, namespace },
        spec: { revision, database: { secretRef: { name: member.name } } },
      });
    },
    wanted,
    isThere,
    settled: (timeoutMilliseconds) =>
      eventually(
        () => {
          const late = members.filter((member) => !isSettled(member)).map(({ name }) => name);
          if (late.length > 0) {
            const [first = ''] = late;
            const seen = JSON.stringify(schemas.get(first), null, 2);
            throw new Error(`${late.length} of ${members.length} have not settled, such as ${seen}`);
          }
        },
        { timeoutMilliseconds, everyMilliseconds: 500 },
      ),
    async faults() {
      const found: string[] = [];
      for (const member of members) found.push(...(await faultsOf(member)));
      return found;
    },
    async stop() {
      stopping.abort();
      await Promise.all(following);
    },
  };
}

/** Asks each member for one revision after another. */
export interface Climb {
  /** No member is asked for anything more. */
  stop(): void;
}

/**
 * The first revision for all at once, and then to each the next one `pause()` milliseconds after it
 * is at the one before.
 */
export async function climb(
  fleet: Fleet,
  revisionsOf: (member: Member) => readonly string[],
  pause: () => number,
): Promise<Climb> {
  const rows = new Map(fleet.members.map((member) => [member, [...revisionsOf(member)]]));
  const waiting = new Set<Member>();
  let stopped = false;

  async function step(member: Member): Promise<void> {
    const revision = stopped ? undefined : rows.get(member)?.shift();
    if (revision !== undefined) await fleet.apply(member, revision);
    waiting.delete(member);
  }

  for (const member of fleet.members) waiting.add(member);
  fleet.onSeen((member) => {
    if (stopped || waiting.has(member) || !fleet.isThere(member)) return;
    waiting.add(member);
    setTimeout(() => void step(member), pause());
  });
  for (const member of fleet.members) await step(member);
  return {
    stop() {
      stopped = true;
    },
  };
}

/** The request that `kubectl apply --server-side` makes. */
export async function applySchema(api: TestApi, path: string, object: object): Promise<KubeObject> {
  return api.call(
    'PATCH',
    `${path}?fieldManager=kubectl&force=true`,
    { apiVersion: API_VERSION, kind: KIND, ...object },
    { contentType: 'application/apply-patch+yaml', timeoutMilliseconds: 60_000 },
  );
}

/** The reason of the condition Ready. */
export function readyReason(status: KubeObject | undefined): string | undefined {
  return status?.conditions?.find((condition: KubeObject) => condition.type === 'Ready')?.reason;
}

function seenJob({ metadata = {} }: KubeObject): SeenJob {
  const purpose: { readonly target: { readonly revision: string } | null } = JSON.parse(
    metadata.annotations[PURPOSE_ANNOTATION],
  );
  return {
    uid: metadata.uid ?? '',
    name: metadata.name ?? '',
    member: metadata.ownerReferences[0].name,
    target: purpose.target?.revision ?? null,
    at: performance.now(),
  };
}

function targets(jobs: readonly SeenJob[]): readonly (string | null)[] {
  return jobs.map(({ target }) => target);
}

async function databaseHeads(url: string): Promise<readonly string[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ version_num: string }>('SELECT version_num FROM alembic_version');
    return rows.map((row) => row.version_num).sort();
  });
}

/** List, then watch; on any error or end, from the beginning. */
async function follow(
  api: TestApi,
  collection: string,
  signal: AbortSignal,
  onObject: (object: KubeObject) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const list = await api.call('GET', collection, undefined, { timeoutMilliseconds: 60_000 });
      for (const item of list.items) onObject(item);
      const from = `watch=true&resourceVersion=${list.metadata?.resourceVersion}`;
      await api.watch(
        `${collection}?${from}`,
        ({ type, object }) => {
          if (type === 'ERROR') throw new Error('the watch has expired');
          onObject(object);
        },
        signal,
      );
    } catch {
      await sleep(200);
    }
  }
}
