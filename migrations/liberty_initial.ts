import type { Migration, Table } from '../src/glance/steps.ts';

const images: Table = {
  name: 'images',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'name', type: 'varchar(255)', nullable: true },
    { name: 'size', type: 'bigint', nullable: true },
    { name: 'status', type: 'varchar(30)' },
    { name: 'is_public', type: 'boolean' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
    { name: 'deleted_at', type: 'datetime', nullable: true },
    { name: 'deleted', type: 'boolean' },
    { name: 'disk_format', type: 'varchar(20)', nullable: true },
    { name: 'container_format', type: 'varchar(20)', nullable: true },
    { name: 'checksum', type: 'varchar(32)', nullable: true },
    { name: 'owner', type: 'varchar(255)', nullable: true },
    { name: 'min_disk', type: 'integer' },
    { name: 'min_ram', type: 'integer' },
    { name: 'protected', type: 'boolean', default: false },
    { name: 'virtual_size', type: 'bigint', nullable: true },
  ],
  primaryKey: ['id'],
  indexes: [
    { name: 'checksum_image_idx', columns: ['checksum'] },
    { name: 'ix_images_deleted', columns: ['deleted'] },
    { name: 'ix_images_is_public', columns: ['is_public'] },
    { name: 'owner_image_idx', columns: ['owner'] },
  ],
};

const imageProperties: Table = {
  name: 'image_properties',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'image_id', type: 'varchar(36)' },
    { name: 'name', type: 'varchar(255)' },
    { name: 'value', type: 'text', nullable: true },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
    { name: 'deleted_at', type: 'datetime', nullable: true },
    { name: 'deleted', type: 'boolean' },
  ],
  primaryKey: ['id'],
  uniques: [{ name: 'ix_image_properties_image_id_name', columns: ['image_id', 'name'] }],
  foreignKeys: [{ columns: ['image_id'], references: { table: 'images', columns: ['id'] } }],
  indexes: [
    { name: 'ix_image_properties_deleted', columns: ['deleted'] },
    { name: 'ix_image_properties_image_id', columns: ['image_id'] },
  ],
};

const imageLocations: Table = {
  name: 'image_locations',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'image_id', type: 'varchar(36)' },
    { name: 'value', type: 'text' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
    { name: 'deleted_at', type: 'datetime', nullable: true },
    { name: 'deleted', type: 'boolean' },
    { name: 'meta_data', type: 'text', nullable: true },
    { name: 'status', type: 'varchar(30)', default: 'active' },
  ],
  primaryKey: ['id'],
  foreignKeys: [{ columns: ['image_id'], references: { table: 'images', columns: ['id'] } }],
  indexes: [
    { name: 'ix_image_locations_deleted', columns: ['deleted'] },
    { name: 'ix_image_locations_image_id', columns: ['image_id'] },
  ],
};

const imageMembers: Table = {
  name: 'image_members',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'image_id', type: 'varchar(36)' },
    { name: 'member', type: 'varchar(255)' },
    { name: 'can_share', type: 'boolean' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
    { name: 'deleted_at', type: 'datetime', nullable: true },
    { name: 'deleted', type: 'boolean' },
    { name: 'status', type: 'varchar(20)', default: 'pending' },
  ],
  primaryKey: ['id'],
  uniques: [{ columns: ['image_id', 'member', 'deleted_at'] }],
  foreignKeys: [{ columns: ['image_id'], references: { table: 'images', columns: ['id'] } }],
  indexes: [
    { name: 'ix_image_members_deleted', columns: ['deleted'] },
    { name: 'ix_image_members_image_id', columns: ['image_id'] },
    { name: 'ix_image_members_image_id_member', columns: ['image_id', 'member'] },
  ],
};

const imageTags: Table = {
  name: 'image_tags',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'image_id', type: 'varchar(36)' },
    { name: 'value', type: 'varchar(255)' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
    { name: 'deleted_at', type: 'datetime', nullable: true },
    { name: 'deleted', type: 'boolean' },
  ],
  primaryKey: ['id'],
  foreignKeys: [{ columns: ['image_id'], references: { table: 'images', columns: ['id'] } }],
  indexes: [
    { name: 'ix_image_tags_image_id', columns: ['image_id'] },
    { name: 'ix_image_tags_image_id_tag_value', columns: ['image_id', 'value'] },
  ],
};

const tasks: Table = {
  name: 'tasks',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'type', type: 'varchar(30)' },
    { name: 'status', type: 'varchar(30)' },
    { name: 'owner', type: 'varchar(255)' },
    { name: 'expires_at', type: 'datetime', nullable: true },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
    { name: 'deleted_at', type: 'datetime', nullable: true },
    { name: 'deleted', type: 'boolean' },
  ],
  primaryKey: ['id'],
  indexes: [
    { name: 'ix_tasks_deleted', columns: ['deleted'] },
    { name: 'ix_tasks_owner', columns: ['owner'] },
    { name: 'ix_tasks_status', columns: ['status'] },
    { name: 'ix_tasks_type', columns: ['type'] },
    { name: 'ix_tasks_updated_at', columns: ['updated_at'] },
  ],
};

const taskInfo: Table = {
  name: 'task_info',
  columns: [
    { name: 'task_id', type: 'varchar(36)' },
    { name: 'input', type: 'text', nullable: true },
    { name: 'result', type: 'text', nullable: true },
    { name: 'message', type: 'text', nullable: true },
  ],
  primaryKey: ['task_id'],
  foreignKeys: [{ columns: ['task_id'], references: { table: 'tasks', columns: ['id'] } }],
};

const metadefNamespaces: Table = {
  name: 'metadef_namespaces',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'namespace', type: 'varchar(80)' },
    { name: 'display_name', type: 'varchar(80)', nullable: true },
    { name: 'description', type: 'text', nullable: true },
    { name: 'visibility', type: 'varchar(32)', nullable: true },
    { name: 'protected', type: 'boolean', nullable: true },
    { name: 'owner', type: 'varchar(255)' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
  ],
  primaryKey: ['id'],
  uniques: [{ name: 'uq_metadef_namespaces_namespace', columns: ['namespace'] }],
  indexes: [{ name: 'ix_metadef_namespaces_owner', columns: ['owner'] }],
};

const metadefResourceTypes: Table = {
  name: 'metadef_resource_types',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'name', type: 'varchar(80)' },
    { name: 'protected', type: 'boolean' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
  ],
  primaryKey: ['id'],
  uniques: [{ name: 'uq_metadef_resource_types_name', columns: ['name'] }],
};

const metadefNamespaceResourceTypes: Table = {
  name: 'metadef_namespace_resource_types',
  columns: [
    { name: 'resource_type_id', type: 'integer' },
    { name: 'namespace_id', type: 'integer' },
    { name: 'properties_target', type: 'varchar(80)', nullable: true },
    { name: 'prefix', type: 'varchar(80)', nullable: true },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
  ],
  primaryKey: ['resource_type_id', 'namespace_id'],
  foreignKeys: [
    { columns: ['namespace_id'], references: { table: 'metadef_namespaces', columns: ['id'] } },
    { columns: ['resource_type_id'], references: { table: 'metadef_resource_types', columns: ['id'] } },
  ],
  indexes: [{ name: 'ix_metadef_ns_res_types_namespace_id', columns: ['namespace_id'] }],
};

const metadefObjects: Table = {
  name: 'metadef_objects',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'namespace_id', type: 'integer' },
    { name: 'name', type: 'varchar(80)' },
    { name: 'description', type: 'text', nullable: true },
    { name: 'required', type: 'text', nullable: true },
    { name: 'json_schema', type: 'text' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
  ],
  primaryKey: ['id'],
  uniques: [{ name: 'uq_metadef_objects_namespace_id_name', columns: ['namespace_id', 'name'] }],
  foreignKeys: [{ columns: ['namespace_id'], references: { table: 'metadef_namespaces', columns: ['id'] } }],
  indexes: [{ name: 'ix_metadef_objects_name', columns: ['name'] }],
};

const metadefProperties: Table = {
  name: 'metadef_properties',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'namespace_id', type: 'integer' },
    { name: 'name', type: 'varchar(80)' },
    { name: 'json_schema', type: 'text' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
  ],
  primaryKey: ['id'],
  uniques: [{ name: 'uq_metadef_properties_namespace_id_name', columns: ['namespace_id', 'name'] }],
  foreignKeys: [{ columns: ['namespace_id'], references: { table: 'metadef_namespaces', columns: ['id'] } }],
  indexes: [{ name: 'ix_metadef_properties_name', columns: ['name'] }],
};

const metadefTags: Table = {
  name: 'metadef_tags',
  columns: [
    { name: 'id', type: 'serial' },
    { name: 'namespace_id', type: 'integer' },
    { name: 'name', type: 'varchar(80)' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime', nullable: true },
  ],
  primaryKey: ['id'],
  uniques: [{ name: 'uq_metadef_tags_namespace_id_name', columns: ['namespace_id', 'name'] }],
  foreignKeys: [{ columns: ['namespace_id'], references: { table: 'metadef_namespaces', columns: ['id'] } }],
  indexes: [{ name: 'ix_metadef_tags_name', columns: ['name'] }],
};

const artifacts: Table = {
  name: 'artifacts',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'name', type: 'varchar(255)' },
    { name: 'type_name', type: 'varchar(255)' },
    { name: 'type_version_prefix', type: 'bigint' },
    { name: 'type_version_suffix', type: 'varchar(255)', nullable: true },
    { name: 'type_version_meta', type: 'varchar(255)', nullable: true },
    { name: 'version_prefix', type: 'bigint' },
    { name: 'version_suffix', type: 'varchar(255)', nullable: true },
    { name: 'version_meta', type: 'varchar(255)', nullable: true },
    { name: 'description', type: 'text', nullable: true },
    { name: 'visibility', type: 'varchar(32)' },
    { name: 'state', type: 'varchar(32)' },
    { name: 'owner', type: 'varchar(255)' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime' },
    { name: 'deleted_at', type: 'datetime', nullable: true },
    { name: 'published_at', type: 'datetime', nullable: true },
  ],
  primaryKey: ['id'],
  indexes: [
    { name: 'ix_artifact_name_and_version', columns: ['name', 'version_prefix', 'version_suffix'] },
    { name: 'ix_artifact_owner', columns: ['owner'] },
    { name: 'ix_artifact_state', columns: ['state'] },
    { name: 'ix_artifact_type', columns: ['type_name', 'type_version_prefix', 'type_version_suffix'] },
    { name: 'ix_artifact_visibility', columns: ['visibility'] },
  ],
};

const artifactBlobs: Table = {
  name: 'artifact_blobs',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'artifact_id', type: 'varchar(36)' },
    { name: 'size', type: 'bigint' },
    { name: 'checksum', type: 'varchar(32)', nullable: true },
    { name: 'name', type: 'varchar(255)' },
    { name: 'item_key', type: 'varchar(329)', nullable: true },
    { name: 'position', type: 'integer', nullable: true },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime' },
  ],
  primaryKey: ['id'],
  foreignKeys: [{ columns: ['artifact_id'], references: { table: 'artifacts', columns: ['id'] } }],
  indexes: [
    { name: 'ix_artifact_blobs_artifact_id', columns: ['artifact_id'] },
    { name: 'ix_artifact_blobs_name', columns: ['name'] },
  ],
};

const artifactBlobLocations: Table = {
  name: 'artifact_blob_locations',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'blob_id', type: 'varchar(36)' },
    { name: 'value', type: 'text' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime' },
    { name: 'position', type: 'integer', nullable: true },
    { name: 'status', type: 'varchar(36)', nullable: true },
  ],
  primaryKey: ['id'],
  foreignKeys: [{ columns: ['blob_id'], references: { table: 'artifact_blobs', columns: ['id'] } }],
  indexes: [{ name: 'ix_artifact_blob_locations_blob_id', columns: ['blob_id'] }],
};

const artifactDependencies: Table = {
  name: 'artifact_dependencies',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'artifact_source', type: 'varchar(36)' },
    { name: 'artifact_dest', type: 'varchar(36)' },
    { name: 'artifact_origin', type: 'varchar(36)' },
    { name: 'is_direct', type: 'boolean' },
    { name: 'position', type: 'integer', nullable: true },
    { name: 'name', type: 'varchar(36)', nullable: true },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime' },
  ],
  primaryKey: ['id'],
  foreignKeys: [
    { columns: ['artifact_dest'], references: { table: 'artifacts', columns: ['id'] } },
    { columns: ['artifact_origin'], references: { table: 'artifacts', columns: ['id'] } },
    { columns: ['artifact_source'], references: { table: 'artifacts', columns: ['id'] } },
  ],
  indexes: [
    { name: 'ix_artifact_dependencies_dest_id', columns: ['artifact_dest'] },
    { name: 'ix_artifact_dependencies_direct_dependencies', columns: ['artifact_source', 'is_direct'] },
    { name: 'ix_artifact_dependencies_origin_id', columns: ['artifact_origin'] },
    { name: 'ix_artifact_dependencies_source_id', columns: ['artifact_source'] },
  ],
};

const artifactProperties: Table = {
  name: 'artifact_properties',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'artifact_id', type: 'varchar(36)' },
    { name: 'name', type: 'varchar(255)' },
    { name: 'string_value', type: 'varchar(255)', nullable: true },
    { name: 'int_value', type: 'integer', nullable: true },
    { name: 'numeric_value', type: 'numeric', nullable: true },
    { name: 'bool_value', type: 'boolean', nullable: true },
    { name: 'text_value', type: 'text', nullable: true },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime' },
    { name: 'position', type: 'integer', nullable: true },
  ],
  primaryKey: ['id'],
  foreignKeys: [{ columns: ['artifact_id'], references: { table: 'artifacts', columns: ['id'] } }],
  indexes: [
    { name: 'ix_artifact_properties_artifact_id', columns: ['artifact_id'] },
    { name: 'ix_artifact_properties_name', columns: ['name'] },
  ],
};

const artifactTags: Table = {
  name: 'artifact_tags',
  columns: [
    { name: 'id', type: 'varchar(36)' },
    { name: 'artifact_id', type: 'varchar(36)' },
    { name: 'value', type: 'varchar(255)' },
    { name: 'created_at', type: 'datetime' },
    { name: 'updated_at', type: 'datetime' },
  ],
  primaryKey: ['id'],
  foreignKeys: [{ columns: ['artifact_id'], references: { table: 'artifacts', columns: ['id'] } }],
  indexes: [
    { name: 'ix_artifact_tags_artifact_id', columns: ['artifact_id'] },
    { name: 'ix_artifact_tags_artifact_id_tag_value', columns: ['artifact_id', 'value'] },
  ],
};

const TABLES: readonly Table[] = [
  images,
  imageProperties,
  imageLocations,
  imageMembers,
  imageTags,
  tasks,
  taskInfo,
  metadefNamespaces,
  metadefResourceTypes,
  metadefNamespaceResourceTypes,
  metadefObjects,
  metadefProperties,
  metadefTags,
  artifacts,
  artifactBlobs,
  artifactBlobLocations,
  artifactDependencies,
  artifactProperties,
  artifactTags,
];

/**
 * Everything up to and including Liberty in one script.
 *
 * Source: glance/db/sqlalchemy/alembic_migrations/versions/liberty_initial.py and the catalog that
 * it leaves.
 */
export const libertyInitial: Migration = {
  name: 'liberty',
  scripts: ['liberty'],
  steps: TABLES.map((table) => ({ do: 'create table', table })),
};
