/**
 * What a terminal acts on, or what changes how the rest is read: control characters, invisible ones
 * such as those that turn the direction of writing, separators of lines, halves of a pair.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/**
 * A text that others may have written, on one line, with nothing hidden in it, and of at most
 * `longest` characters.
 */
export function printable(text: string, longest: number): string {
  const clean = text.replace(UNPRINTABLE, ' ');
  // By code points, as the API server counts, so that none is cut in two.
  return clean.length <= longest ? clean : [...clean].slice(0, longest).join('');
}
