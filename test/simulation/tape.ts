/** The numbers that a history is made of; when they are used up nothing unusual happens any more. */
export interface Tape {
  /** A number in [0, bound); 0 when the tape has ended, so that 0 must mean "as usual". */
  next(bound: number): number;
  /** True once in `odds` times. */
  once(odds: number): boolean;
  /** One of the values; the first when the tape has ended. */
  pick<T>(values: readonly [T, ...T[]]): T;
  readonly ended: boolean;
}

export function tapeOf(numbers: readonly number[]): Tape {
  let position = 0;
  function next(bound: number): number {
    const number = numbers[position];
    if (number === undefined) {
      return 0;
    }
    position += 1;
    return number % bound;
  }
  return {
    next,
    once: (odds) => next(odds) === odds - 1,
    pick: (values) => values[next(values.length)] ?? values[0],
    get ended() {
      return position >= numbers.length;
    },
  };
}
