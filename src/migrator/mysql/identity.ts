import { readFailure } from '../engine/read-failure.ts';
import type { Session } from './connect.ts';

/**
 * Which database it is: the cluster's or the server's own number, or the host where it has none,
 * and the name.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function identify(session: Session): Promise<string> {
  try {
    const [named] = await session.query('SELECT DATABASE() AS name');
    const rows = [
      ...(await session.query("SHOW GLOBAL STATUS LIKE 'wsrep_cluster_state_uuid'")),
      ...(await session.query(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('group_replication_group_name', 'server_uuid', 'server_uid', 'hostname', 'port')",
      )),
    ];
    const values = new Map(rows.map((row) => [String(row.Variable_name), String(row.Value)]));
    const server =
      ['wsrep_cluster_state_uuid', 'group_replication_group_name', 'server_uuid', 'server_uid']
        .map((name) => values.get(name) ?? '')
        .find((value) => value !== '') ?? `${values.get('hostname')}:${values.get('port')}`;
    return `${server}/${String(named?.name)}`;
  } catch (error) {
    throw readFailure(error, session.address);
  }
}
