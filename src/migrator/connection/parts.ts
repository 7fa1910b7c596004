import { PART_VARIABLES } from '../../contract/names.ts';
import { readMysql } from './mysql-url.ts';
import { readPostgres } from './postgres-url.ts';
import type { ConnectionTarget, Surroundings } from './target.ts';
import { type UrlAddress, unusable } from './url-query.ts';

const READERS = { mysql: readMysql, postgresql: readPostgres } as const;

/**
 * Whether the environment has the parts of a connection, as that of a Job has them instead of
 * a URL.
 */
export function hasParts(environment: Surroundings['environment']): boolean {
  return environment[PART_VARIABLES.engine] !== undefined;
}

/**
 * Reads a connection whose parts are kept apart: each is taken as it is, and no URL is made of
 * them. What is not said here is as with a URL that has nothing else.
 *
 * @throws Failure `ConnectionInvalid`, which shows nothing of user and password
 */
export function readParts(surroundings: Surroundings): ConnectionTarget {
  const part = (name: keyof typeof PART_VARIABLES) => surroundings.environment[PART_VARIABLES[name]];
  const engine = part('engine');
  if (engine !== 'mysql' && engine !== 'postgresql') {
    throw unusable('found another engine than mysql and postgresql. Write one of these.');
  }
  const address: UrlAddress = {
    host: part('host'),
    port: part('port'),
    user: withoutLineBreak(part('user')),
    password: withoutLineBreak(part('password')),
    database: part('name'),
  };
  for (const [name, value = ''] of Object.entries({
    host: address.host,
    name: address.database,
    userSecretRef: address.user,
  })) {
    if (value === '') {
      throw unusable(`found nothing in what '${name}' says. Write it.`);
    }
    if (/\p{Cc}/u.test(value)) {
      throw unusable(`found a control character in what '${name}' says. Take it out.`);
    }
  }
  if (/[/,\s]/.test(address.host ?? '')) {
    throw unusable("found more than the name or the address of one host in 'host'. Write one host.");
  }
  return READERS[engine](address, new Map(), surroundings);
}

/** `echo` and most editors leave one at the end of what becomes a Secret. */
function withoutLineBreak(text: string | undefined): string | undefined {
  return text?.replace(/\r?\n$/, '');
}
