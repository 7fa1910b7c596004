import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  type GlanceApi,
  type GlanceBody,
  type GlanceUser,
  startGlanceApi,
} from '../../lab/glance/glance-api.ts';
import { runGlanceManage, withDriver } from '../../lab/glance/glance-manage.ts';
import { installGlance, type RealGlance } from '../../lab/glance/real-glance.ts';
import { runCli } from '../../lab/process/bundle.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { ENGINES, type EngineServer } from './engine.ts';

/**
 * Every combination of owner, visibility, member and deletion that the seed has occurs in these.
 */
const IMAGES = 420;

/** An image that Newton's API took in, with content. */
const UPLOADED = { id: 'f0f0f0f0-0000-4000-8000-000000000001', content: 'taken in by Newton' };

for (const engine of ENGINES) {
  describe(`the real Glance API on ${engine.name}`, () => {
    let glance: RealGlance;
    let server: EngineServer;

    before(async function () {
      glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
      const missing = engine.missing();
      if (missing !== null) leaveOut(this, missing);
      server = await engine.start();
    });

    after(async () => {
      await server?.stop();
    });

    async function sync(url: string): Promise<void> {
      const result = await runCli(['db', 'sync'], { DATABASE_CONNECTION: withDriver(url) });
      expect(result.code, result.stderr).to.equal(0);
    }

    describe('on a database that we made', () => {
      let url = '';
      let api: GlanceApi;

      before(async () => {
        url = await server.createDatabase('made');
        await sync(url);
        api = await startGlanceApi(glance, { url });
      });

      after(async () => {
        await api?.stop();
      });

      it('creates, uploads and downloads', async () => {
        const owner = api.as('owner');
        const id = await create(owner, { name: 'first', visibility: 'private' });
        await upload(owner, id, 'the content');
        const download = await owner.call('GET', `/v2/images/${id}/file`);
        expect(download).to.deep.equal({ status: 200, text: 'the content' });
        const image = JSON.parse((await owner.call('GET', `/v2/images/${id}`)).text);
        expect(image).to.deep.include({ status: 'active', size: 11, owner: 'owner', os_hidden: false });
        expect(image.os_hash_value).to.equal(createHash('sha512').update('the content').digest('hex'));
      });

      it('shows each visibility to those it is for', async () => {
        const owner = api.as('lister');
        const ids: Record<string, string> = {};
        for (const visibility of ['private', 'shared', 'community']) {
          ids[visibility] = await create(owner, { name: visibility, visibility });
        }
        const stranger = api.as('stranger');
        expect((await owner.list()).map((image) => image.visibility).sort()).to.deep.equal([
          'community',
          'private',
          'shared',
        ]);
        expect(await stranger.list()).to.deep.equal([]);
        const seen = await Promise.all(
          Object.entries(ids).map(async ([visibility, id]) => [
            visibility,
            (await stranger.call('GET', `/v2/images/${id}`)).status,
          ]),
        );
        expect(Object.fromEntries(seen)).to.deep.equal({ private: 404, shared: 404, community: 200 });
      });

      it('shares with a member, who accepts', async () => {
        const owner = api.as('sharer');
        const member = api.as('member');
        const id = await create(owner, { name: 'shared' });
        const added = await owner.call('POST', `/v2/images/${id}/members`, json({ member: 'member' }));
        expect(added.status, added.text).to.equal(200);
        expect(await member.list()).to.deep.equal([]);
        const path = `/v2/images/${id}/members/member`;
        const accepted = await member.call('PUT', path, json({ status: 'accepted' }));
        expect(accepted.status, accepted.text).to.equal(200);
        expect((await member.list()).map((image) => [image.id, image.visibility])).to.deep.equal([
          [id, 'shared'],
        ]);
      });

      it('takes every metadata definition that Glance ships', async () => {
        const definitions = join(glance.folder, 'etc/glance/metadefs');
        const count = readdirSync(definitions).filter((name) => name.endsWith('.json')).length;
        const loaded = await runGlanceManage(glance, url, 'db', 'load_metadefs', '--path', definitions);
        expect(loaded.code, loaded.stderr).to.equal(0);
        const rows = await server.query(url, 'SELECT namespace FROM metadef_namespaces');
        expect(count).to.be.greaterThan(10);
        expect(rows).to.have.length(count);
      });
    });

    describe('on a database of Newton that we upgraded', () => {
      let url = '';
      let api: GlanceApi;
      let store = '';
      let images: readonly NewtonImage[] = [];

      before(async () => {
        store = mkdtempSync(join(tmpdir(), 'glance-schema-store-'));
        url = await server.createDatabase('newton');
        await server.seedNewton(url, { images: IMAGES });
        writeFileSync(join(store, UPLOADED.id), UPLOADED.content);
        await insertUploaded(server, url, store);
        images = await readNewton(server, url);
        await sync(url);
        api = await startGlanceApi(glance, { url, store });
      });

      after(async () => {
        await api?.stop();
        rmSync(store, { recursive: true, force: true });
      });

      for (const [who, project] of [
        ['an owner', owner(7)],
        ['a member who has not accepted', 'project-4-1'],
        ['a member who has accepted', 'project-6-2'],
        ['a stranger', 'stranger'],
      ] as const) {
        it(`${who} sees what Newton showed, and nothing else`, async () => {
          const shown = images.filter((image) => isListed(image, project));
          const listed = await api.as(project).list();
          expect(listed.map((image) => image.id)).to.deep.equal(shown.map((image) => image.id));
        });

        it(`${who} gets by its id what Newton gave`, async () => {
          // All of the images of the first period of the seed's pattern, and those that concern
          // this project.
          const asked = images.filter((image, index) => index < 40 || concerns(image, project));
          const expected = asked.map((image) => [image.id, isReadable(image, project) ? 200 : 404]);
          const got: unknown[] = [];
          for (const { id } of asked) {
            got.push([id, (await api.as(project).call('GET', `/v2/images/${id}`)).status]);
          }
          expect(got).to.deep.equal(expected);
        });
      }

      it('downloads what was uploaded before', async () => {
        const { status, text } = await api.as('uploader').call('GET', `/v2/images/${UPLOADED.id}/file`);
        expect({ status, text }).to.deep.equal({ status: 200, text: UPLOADED.content });
      });

      it('shares an image that Newton had shared with one more, and one that was private once it is shared', async () => {
        const mine = images.filter((image) => image.owner === owner(4) && !image.deleted && !image.isPublic);
        const shared = mine.find((image) => image.members.size > 0);
        const closed = mine.find((image) => image.members.size === 0);
        const user = api.as(owner(4));
        const newcomer = api.as('newcomer');
        const share = (id: string | undefined) =>
          user.call('POST', `/v2/images/${id}/members`, json({ member: 'newcomer' }));
        expect((await share(closed?.id)).status, 'a private image').to.equal(403);
        const patch = await user.call('PATCH', `/v2/images/${closed?.id}`, {
          type: 'application/openstack-images-v2.1-json-patch',
          content: JSON.stringify([{ op: 'replace', path: '/visibility', value: 'shared' }]),
        });
        expect(patch.status, patch.text).to.equal(200);
        for (const image of [shared, closed]) {
          const added = await share(image?.id);
          expect(added.status, added.text).to.equal(200);
          const accepted = await newcomer.call(
            'PUT',
            `/v2/images/${image?.id}/members/newcomer`,
            json({ status: 'accepted' }),
          );
          expect(accepted.status, accepted.text).to.equal(200);
        }
        const publicIds = images.filter((image) => isListed(image, 'newcomer')).map(({ id }) => id);
        const listed = (await newcomer.list()).filter(({ id }) => !publicIds.includes(id));
        expect(listed.map((image) => [image.id, image.visibility])).to.deep.equal(
          [shared?.id, closed?.id].sort().map((id) => [id, 'shared']),
        );
      });

      it('takes in a new image, makes an old one public to the community, and deletes another', async () => {
        const user = api.as(owner(7));
        const id = await create(user, { name: 'new' });
        await upload(user, id, 'since the upgrade');
        const mine = images.filter((image) => image.owner === owner(7) && !image.deleted && !image.isPublic);
        const [opened, removed] = mine.filter((image) => !image.isProtected);
        const patch = await user.call('PATCH', `/v2/images/${opened?.id}`, {
          type: 'application/openstack-images-v2.1-json-patch',
          content: JSON.stringify([{ op: 'replace', path: '/visibility', value: 'community' }]),
        });
        expect(patch.status, patch.text).to.equal(200);
        const seen = await api.as('stranger').list('&visibility=community');
        expect(seen.map((image) => image.id)).to.deep.equal([opened?.id]);
        await server.query(url, 'DELETE FROM image_locations WHERE image_id = ?', [removed?.id]);
        expect((await user.call('DELETE', `/v2/images/${removed?.id}`)).status).to.equal(204);
        expect((await user.call('GET', `/v2/images/${removed?.id}`)).status).to.equal(404);
      });
    });
  });
}

interface NewtonImage {
  readonly id: string;
  readonly owner: string;
  readonly isPublic: boolean;
  readonly isProtected: boolean;
  readonly deleted: boolean;
  /** Those that are not deleted, with their status. */
  readonly members: ReadonlyMap<string, string>;
}

function owner(number: number): string {
  return createHash('md5').update(String(number)).digest('hex');
}

/** Newton's rule for a list: what is public, what is one's own, and what one has accepted. */
function isListed(image: NewtonImage, project: string): boolean {
  const accepted = image.members.get(project) === 'accepted';
  return !image.deleted && (image.isPublic || image.owner === project || accepted);
}

/** Newton's rule for one image: a member sees it whatever he answered. */
function isReadable(image: NewtonImage, project: string): boolean {
  return isListed(image, project) || (!image.deleted && image.members.has(project));
}

function concerns(image: NewtonImage, project: string): boolean {
  return image.owner === project || image.members.has(project);
}

async function readNewton(server: EngineServer, url: string): Promise<readonly NewtonImage[]> {
  const members = await server.query(url, 'SELECT image_id, member, status, deleted FROM image_members');
  const live = members.filter((member) => !member.deleted);
  const rows = await server.query(
    url,
    'SELECT id, owner, is_public, protected, deleted FROM images ORDER BY id',
  );
  return rows.map((row) => ({
    id: String(row.id),
    owner: String(row.owner),
    isPublic: Boolean(row.is_public),
    isProtected: Boolean(row.protected),
    deleted: Boolean(row.deleted),
    members: new Map(
      live
        .filter((member) => member.image_id === row.id)
        .map((member) => [String(member.member), String(member.status)]),
    ),
  }));
}

async function insertUploaded(server: EngineServer, url: string, store: string): Promise<void> {
  const { id, content } = UPLOADED;
  const checksum = createHash('md5').update(content).digest('hex');
  await server.query(
    url,
    `INSERT INTO images (id, name, size, status, is_public, created_at, updated_at, deleted, disk_format,
      container_format, checksum, owner, min_disk, min_ram, protected) VALUES (?, 'uploaded', ?, 'active', false,
      '2016-11-01', '2016-11-01', false, 'raw', 'bare', ?, 'uploader', 0, 0, false)`,
    [id, content.length, checksum],
  );
  await server.query(
    url,
    `INSERT INTO image_locations (image_id, value, created_at, updated_at, deleted, meta_data, status)
      VALUES (?, ?, '2016-11-01', '2016-11-01', false, '{}', 'active')`,
    [id, `file://${join(store, id)}`],
  );
}

async function create(user: GlanceUser, fields: Readonly<Record<string, unknown>>): Promise<string> {
  const body = json({ disk_format: 'raw', container_format: 'bare', ...fields });
  const { status, text } = await user.call('POST', '/v2/images', body);
  expect(status, text).to.equal(201);
  return JSON.parse(text).id;
}

async function upload(user: GlanceUser, id: string, content: string): Promise<void> {
  const body = { type: 'application/octet-stream', content };
  const { status, text } = await user.call('PUT', `/v2/images/${id}/file`, body);
  expect(status, text).to.equal(204);
}

function json(content: Readonly<Record<string, unknown>>): GlanceBody {
  return { type: 'application/json', content: JSON.stringify(content) };
}
