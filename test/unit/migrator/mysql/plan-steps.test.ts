import { expect } from 'chai';
import { ocata01AddVisibilityRemoveIsPublic } from '../../../../migrations/ocata01_add_visibility_remove_is_public.ts';
import { MIGRATIONS } from '../../../../migrations/registry.ts';
import { describeStep } from '../../../../src/glance/steps.ts';
import type { Catalog } from '../../../../src/migrator/mysql/catalog.ts';
import { planSteps } from '../../../../src/migrator/mysql/plan-steps.ts';

/**
 * A catalog with the table `images` alone: columns as `name` or `name?` where nullable, then
 * indexes.
 */
function images(
  columns: readonly string[],
  indexes: readonly string[],
  standards = new Map<string, string>(),
): Catalog {
  return {
    tables: new Map([
      [
        'images',
        {
          columns: new Map(
            columns.map((column) => {
              const name = column.replace('?', '');
              return [name, { nullable: column.endsWith('?'), default: standards.get(name) ?? null }];
            }),
          ),
          indexes: new Map(
            indexes.map((index) => [index, index.replace(/^ix_images_|_image_idx$/g, '').split('+')]),
          ),
        },
      ],
    ]),
    triggers: new Set(),
  };
}

/** The beginning of each statement that is left. */
function left(catalog: Catalog): readonly string[] {
  return planSteps(ocata01AddVisibilityRemoveIsPublic.steps, catalog).operations.map(({ sql }) =>
    sql.replaceAll(/ENUM\(.*?\)/g, 'ENUM').replaceAll(/ (=|<>) CASE.*?END/gs, ' $1 ...'),
  );
}

const FIRST = 'ALTER TABLE images DROP INDEX ix_images_is_public, ADD COLUMN `visibility` ENUM NULL';
const UPDATE = 'UPDATE images SET visibility = ... WHERE visibility IS NULL OR visibility <> ...';
const LAST =
  "ALTER TABLE images MODIFY COLUMN `visibility` ENUM NOT NULL DEFAULT 'shared', DROP COLUMN is_public, ADD INDEX visibility_image_idx (visibility)";

describe('what is left of ocata01 on MySQL', () => {
  const rows: readonly (readonly [string, Catalog, readonly string[]])[] = [
    ['nothing done', images(['id', 'is_public'], ['ix_images_is_public']), [FIRST, UPDATE, LAST]],
    ['the column added', images(['id', 'is_public', 'visibility?'], []), [UPDATE, LAST]],
    [
      'all done but the record',
      images(['id', 'visibility'], ['visibility_image_idx'], new Map([['visibility', 'shared']])),
      [],
    ],
    [
      "another tool's script after its first statement",
      images(['id', 'is_public', 'visibility'], ['ix_images_is_public'], new Map([['visibility', 'shared']])),
      [
        'ALTER TABLE images DROP INDEX ix_images_is_public',
        UPDATE,
        'ALTER TABLE images DROP COLUMN is_public, ADD INDEX visibility_image_idx (visibility)',
      ],
    ],
    [
      'an expand that was ended before its triggers',
      images(['id', 'is_public?', 'visibility?'], ['ix_images_is_public', 'visibility_image_idx']),
      [
        'ALTER TABLE images DROP INDEX ix_images_is_public',
        UPDATE,
        LAST.replace(', ADD INDEX visibility_image_idx (visibility)', ''),
      ],
    ],
  ];
  for (const [name, catalog, expected] of rows) {
    it(name, () => {
      expect(left(catalog)).to.deep.equal(expected);
    });
  }

  it('never drops is_public without making visibility NOT NULL in the same statement', () => {
    for (const [, catalog] of rows) {
      for (const sql of left(catalog)) {
        const isShaped = catalog.tables.get('images')?.columns.get('visibility')?.default === 'shared';
        expect(!sql.includes('DROP COLUMN is_public') || sql.includes('NOT NULL') || isShaped, sql).to.equal(
          true,
        );
      }
    }
  });

  it('reports each step once, at its first and its last statement', () => {
    const { operations, found, empty } = planSteps(
      ocata01AddVisibilityRemoveIsPublic.steps,
      images(['id', 'is_public'], ['ix_images_is_public']),
    );
    expect(found).to.deep.equal([]);
    expect(empty.map(describeStep)).to.deep.equal([
      'create type image_visibility',
      'mark private images that have members as shared',
    ]);
    expect(
      operations.map(({ begins, ends }) => [begins.map(describeStep), ends.map(describeStep)]),
    ).to.deep.equal([
      [
        ['drop index ix_images_is_public on images', 'add column images.visibility'],
        ['drop index ix_images_is_public on images'],
      ],
      [[], []],
      [
        ['drop column images.is_public', 'create index visibility_image_idx on images'],
        [
          'add column images.visibility',
          'drop column images.is_public',
          'create index visibility_image_idx on images',
        ],
      ],
    ]);
  });
});

describe('the plan of steps on MySQL', () => {
  it('has a statement for every step of the chain where nothing is known of the database', () => {
    for (const { name, steps } of MIGRATIONS) {
      const { operations, found, empty } = planSteps(steps, undefined);
      expect(found, name).to.deep.equal([]);
      expect(operations.flatMap(({ ends }) => ends).length + empty.length, name).to.equal(steps.length);
    }
  });
});
