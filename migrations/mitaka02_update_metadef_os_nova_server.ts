import type { Migration } from '../src/glance/steps.ts';

const OLD = "name = 'OS::Nova::Instance'";

const SQL = `UPDATE metadef_resource_types SET name = 'OS::Nova::Server' WHERE ${OLD}`;

/** Source: the Glance script of the same name. `updated_at` stays, as there. */
export const mitaka02UpdateMetadefOsNovaServer: Migration = {
  name: 'mitaka02',
  scripts: ['mitaka02'],
  steps: [
    {
      do: 'change data',
      table: 'metadef_resource_types',
      what: 'rename the resource type OS::Nova::Instance to OS::Nova::Server',
      sql: { postgres: SQL, mysql: SQL },
      where: OLD,
    },
  ],
};
