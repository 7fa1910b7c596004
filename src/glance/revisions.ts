import { SCRIPTS } from './scripts.ts';

/** A revision that a user may name, in the order in which they follow one another. */
export interface Revision {
  /** The name in the Glance manual (`ocata01`). */
  readonly name: string;
  /** Other names that read as the same revision, in lower case: script names, Alembic's contract name, release names. */
  readonly aliases: readonly string[];
  /** Whether the revision is reached by expand, migrate and contract; those before Ocata are not. */
  readonly phased: boolean;
}

/** The newest revision that there is. Glance has made none since; a test says when it does. */
export const NEWEST_CARRIED = '2024_1_01';

/** What a user writes for the newest revision that this build supports, whichever that is. */
export const LATEST = 'latest';

/** The releases of OpenStack that ended on a revision. Source: the tags of the Glance repository. */
const RELEASES: Readonly<Record<string, readonly string[]>> = {
  mitaka02: ['mitaka', 'newton'],
  ocata01: ['ocata'],
  pike01: ['pike'],
  queens01: ['queens'],
  rocky02: ['rocky', 'stein'],
  train01: ['train'],
  ussuri01: ['ussuri', 'victoria'],
  // The xena, yoga and zed scripts were released with 2023.1 only.
  wallaby01: ['wallaby', 'xena', 'yoga', 'zed'],
  '2023_1_01': ['2023.1', 'antelope', '2023.2', 'bobcat'],
  '2024_1_01': [
    '2024.1',
    'caracal',
    '2024.2',
    'dalmatian',
    '2025.1',
    'epoxy',
    '2025.2',
    'flamingo',
    '2026.1',
    'gazpacho',
    '2026.2',
    'hibiscus',
  ],
};

/**
 * What YAML 1.1, which kubectl, Helm and Flux read, makes of a name without quotes: `2024_1_01` is an integer there. Helm
 * writes the numbers of a values file as Go does, `2.024101e+06`, and a template may put that in quotes.
 */
function readAsNumber(name: string): readonly string[] {
  if (!/^[\d_]+$/.test(name)) {
    return [];
  }
  const integer = name.replaceAll('_', '');
  const [first, ...digits] = integer.replace(/0+$/, '');
  const exponent = String(integer.length - 1).padStart(2, '0');
  return [integer, `${integer}.0`, `${first}.${digits.join('')}e+${exponent}`];
}

/** Names under which a revision is known besides its script: the file names of the scripts of the trunk and of Ocata. */
const FILE_NAMES: Readonly<Record<string, readonly string[]>> = {
  liberty: ['liberty_initial', 'liberty-initial'],
  mitaka01: ['mitaka01_add_image_created_updated_idx'],
  mitaka02: ['mitaka02_update_metadef_os_nova_server'],
  ocata01: ['ocata01_add_visibility_remove_is_public'],
};

/** Every revision of Glance, oldest first. */
export const REVISIONS: readonly Revision[] = SCRIPTS.filter((script) => script.kind !== 'expand').map(
  (script) => ({
    name: script.revision,
    aliases: [
      ...(FILE_NAMES[script.revision] ?? []),
      ...(script.name === script.revision ? [] : [script.name]),
      ...(RELEASES[script.revision] ?? []),
      ...readAsNumber(script.revision),
      ...(script.revision === NEWEST_CARRIED ? [LATEST] : []),
    ],
    phased: script.kind === 'contract',
  }),
);

/** SQLAlchemy Migrate's numbers (Glance until Newton) and the revision that each corresponds to. */
export const LEGACY_NUMBERS: Readonly<Record<number, string>> = {
  42: 'liberty',
  43: 'mitaka01',
  44: 'mitaka02',
  45: 'ocata01',
};
