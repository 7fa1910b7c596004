/**
 * The numbers that a history is made of; when they are used up nothing unusual happens any more.
 */
export interface Trace {
  /** A number in [0, bound); 0 when the trace has ended, so that 0 must mean "as usual". */
  next(bound: number): number;
  /**
   * Whether something happens that does once in `odds` times, over all histories: in some often, in
   * others never.
   */
  happens(what: string, odds: number): boolean;
  /** One of the values; the first when the trace has ended. */
  pick<T>(values: readonly [T, ...T[]]): T;
  /**
   * One of the kinds by their weights, each of which is larger in some histories and none in
   * others; the first, when the trace has ended.
   */
  choose<T extends string>(kinds: Readonly<Record<T, number>>): T;
  readonly ended: boolean;
}

/**
 * How much likelier than usual a thing is in one history. Rare things that must come together to do
 * harm hardly ever do when all are equally likely: a history that is full of a few kinds of them is
 * met far sooner. After Groce and others, Swarm Testing, 2012.
 */
const TEMPERS = [1, 0, 1, 0, 1, 4, 10] as const;

export function traceOf(numbers: readonly number[]): Trace {
  const tempers = new Map<string, number>();
  let position = 0;

  function next(bound: number): number {
    const number = numbers[position];
    if (number === undefined) {
      return 0;
    }
    position += 1;
    return number % bound;
  }

  function temperOf(what: string): number {
    const known = tempers.get(what);
    if (known !== undefined) {
      return known;
    }
    const temper = TEMPERS[next(TEMPERS.length)] ?? 1;
    tempers.set(what, temper);
    return temper;
  }

  return {
    next,
    happens(what, odds) {
      const share = Math.min(0.9, temperOf(what) / odds);
      return share > 0 && next(10_000) >= 10_000 * (1 - share);
    },
    pick: (values) => values[next(values.length)] ?? values[0],
    choose<T extends string>(kinds: Readonly<Record<T, number>>): T {
      const names = Object.keys(kinds) as [T, ...T[]];
      // The first is what usually happens, and never out of the question.
      const weights = names.map((name, index) => kinds[name] * (index === 0 ? 1 : temperOf(name)));
      let left = next(10_000) * (weights.reduce((sum, weight) => sum + weight) / 10_000);
      const index = weights.findIndex((weight) => {
        left -= weight;
        return left < 0;
      });
      return names[index] ?? names[0];
    },
    get ended() {
      return position >= numbers.length;
    },
  };
}
