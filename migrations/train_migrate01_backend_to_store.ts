import type { DataMigration } from '../src/glance/steps.ts';

const SET = `meta_data = REPLACE(meta_data, '"backend":', '"store":')`;

/**
 * Renames the key `backend` in the metadata of locations to `store`, wherever it stands, of deleted
 * locations too. `updated_at` stays.
 *
 * Source: the Glance data migration of the same name. On MySQL that one compares without regard to
 * case and replaces with, so that a `"Backend":` keeps it from ever being done; here both mind the
 * case.
 */
export const trainMigrate01BackendToStore: DataMigration = {
  name: 'train_migrate01',
  revision: 'train01',
  what: "rename the key 'backend' in the metadata of locations to 'store'",
  table: 'image_locations',
  key: 'id',
  pending: {
    postgres: `meta_data LIKE '%"backend":%'`,
    mysql: `meta_data LIKE BINARY '%"backend":%'`,
  },
  set: { postgres: SET, mysql: SET },
  late: true,
};
