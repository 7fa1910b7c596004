import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientFolder, makeClientFolder } from '../../lab/databases/backup-clients.ts';

/**
 * The hooks of tests that take or restore backups: the clients are made for all of them, and a folder
 * for each.
 */
export function withBackupFolder(
  given: (each: { readonly clients: ClientFolder; readonly folder: string }) => void,
): void {
  let clients: ClientFolder;
  let folder: string;

  before(() => {
    clients = makeClientFolder();
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-backups-'));
    given({ clients, folder });
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  after(() => clients?.remove());
}
