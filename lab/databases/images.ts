import pg from 'pg';

type Row = Readonly<Record<string, unknown>>;

/** Runs `work` on a connection that is closed in the end. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Opens a connection whose server may go away: that throws nothing, and the next query fails. */
export async function openSession(url: string): Promise<pg.Client> {
  const session = new pg.Client({ connectionString: url });
  session.on('error', () => undefined);
  await session.connect();
  return session;
}

/** Every image as it is, dates as text. */
export function readImages(url: string): Promise<Row[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ image: Row }>(
      'SELECT to_jsonb(i) AS image FROM images i ORDER BY id',
    );
    return rows.map((row) => row.image);
  });
}

/**
 * Every image as it has to be at `ocata01`, computed here from the rows before: the oracle, which
 * shares nothing with the migration's SQL.
 */
export async function expectedImages(url: string): Promise<Row[]> {
  const images = await readImages(url);
  const members = await withClient(url, async (client) => {
    const { rows } = await client.query<{ image_id: string; deleted: boolean }>(
      'SELECT image_id, deleted FROM image_members',
    );
    return rows;
  });
  const shared = new Set(members.filter((member) => !member.deleted).map((member) => member.image_id));
  return images.map((image) => {
    const { is_public: isPublic, visibility: before, ...rest } = image;
    const own = before ?? (isPublic === true ? 'public' : 'private');
    return { ...rest, visibility: own === 'private' && shared.has(String(image.id)) ? 'shared' : own };
  });
}
