/** A metric that a query names, and the labels by which it chooses among its series. */
export interface QueriedMetric {
  readonly name: string;
  readonly labels: readonly string[];
}

const KEYWORDS = ['and', 'or', 'unless', 'bool', 'offset'];

/**
 * The metrics that a query in PromQL names, in order. It reads as much of the language as our own
 * queries use.
 */
export function queriedMetrics(query: string): readonly QueriedMetric[] {
  const bare = query
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  const found = bare.matchAll(/(?<![\w."$])([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\}|\b(?!\s*\())/g);
  return [...found].flatMap(([, name = '', selector]) =>
    selector === undefined && KEYWORDS.includes(name)
      ? []
      : [
          {
            name,
            labels: [...(selector ?? '').matchAll(/(\w+)\s*[=!]~?/g)].map(([, label = '']) => label),
          },
        ],
  );
}
