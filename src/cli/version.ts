/** Put in by scripts/build.ts. */
declare const GLANCE_SCHEMA_VERSION: string | undefined;

/** The version of this build, as in package.json. */
export const VERSION = typeof GLANCE_SCHEMA_VERSION === 'string' ? GLANCE_SCHEMA_VERSION : '0.0.0-unbuilt';
