/**
 * For programs in Go, as Kubernetes' and helm, of which a run of the tests starts more than a
 * thousand: fewer garbage collections, for more memory. A kubectl then computes for three quarters
 * of the time, and a start of the API server for 1.4 s, and not for 2.0, with a third more memory.
 */
export const GO_PROGRAMS = { GOGC: '400' } as const;
