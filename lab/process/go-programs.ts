/**
 * The environment of Kubernetes' programs, which a run of the tests starts more than a thousand
 * times: fewer garbage collections, for a third more memory. A kubectl then computes for three
 * quarters of the time, and a start of the API server for 1.4 s, and not for 2.0.
 */
export const GO_PROGRAMS = { GOGC: '400' } as const;
