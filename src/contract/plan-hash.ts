/** The form of a plan's hash: SHA-256 in hexadecimal digits. */
export const PLAN_HASH = /^[0-9a-f]{64}$/;
