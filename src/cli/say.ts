import { printable } from '../contract/printable.ts';

const LONGEST = 65_536;

/**
 * What others may have written, such as the names in a database, as a terminal may have it: on one
 * line, with no password, and with nothing in it that a terminal acts on or that ends a comment.
 */
export function onOneLine(text: string): string {
  return printable(withoutPassword(text), LONGEST);
}

/** Says something on stderr. */
export function say(message: string): void {
  process.stderr.write(`${onOneLine(message)}\n`);
}

// A message says itself how a URL is written.
const ANY_URL = /(:\/\/[^\s:/@]*):(?!PASSWORD@)\S*@/g;

/** One whose password has a blank: after an address of another kind an @ may mean anything. */
const DATABASE_URL = /((?:postgres|mysql|mariadb)[\w+]*:\/\/[^\s:/@]*):(?!PASSWORD@|\*{3}@)[^'"\n]*@/g;

/**
 * The same without the password of a URL: people hand one over in the place of a file or of a
 * revision, and a message quotes what it was given.
 */
export function withoutPassword(text: string): string {
  return text.replaceAll(ANY_URL, '$1:***@').replaceAll(DATABASE_URL, '$1:***@');
}
