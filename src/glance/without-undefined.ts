/**
 * An object without its properties that are undefined, as types with exact optional properties want
 * it.
 */
export type WithoutUndefined<T extends object> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/**
 * The properties of `values` that are not undefined: an absent field is not written as one without
 * a value.
 */
export function withoutUndefined<const T extends object>(values: T): WithoutUndefined<T> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as WithoutUndefined<T>;
}
