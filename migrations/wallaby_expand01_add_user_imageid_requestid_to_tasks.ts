import type { Migration } from '../src/glance/steps.ts';

/** Source: the Glance script of the same name. */
export const wallabyExpand01AddUserImageidRequestidToTasks: Migration = {
  name: 'wallaby_expand01',
  scripts: ['wallaby_expand01'],
  steps: [
    { do: 'add column', table: 'tasks', column: { name: 'image_id', type: 'varchar(36)', nullable: true } },
    { do: 'add column', table: 'tasks', column: { name: 'request_id', type: 'varchar(64)', nullable: true } },
    { do: 'add column', table: 'tasks', column: { name: 'user_id', type: 'varchar(64)', nullable: true } },
    { do: 'create index', table: 'tasks', index: { name: 'ix_tasks_image_id', columns: ['image_id'] } },
  ],
};
