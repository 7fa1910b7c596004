import { createHash } from 'node:crypto';
import { etc, Point } from '@noble/ed25519';

/**
 * Signs a challenge as MariaDB's `client_ed25519` does: with Ed25519, but the key is expanded from
 * a password of any length in place of a seed of 32 bytes. For this Node's own Ed25519 cannot be
 * used.
 *
 * Source: mariadb.com/kb, "Authentication Plugin - ed25519"; RFC 8032, section 5.1.
 */
export function signEd25519(challenge: Uint8Array, password: string): Buffer {
  const expanded = sha512(Buffer.from(password, 'utf8'));
  const key = clamp(expanded.subarray(0, 32));
  const nonce = number(sha512(expanded.subarray(32), challenge));
  const first = Point.BASE.multiply(nonce).toBytes();
  const publicKey = Point.BASE.multiply(key).toBytes();
  const hash = number(sha512(first, publicKey, challenge));
  return Buffer.concat([first, bytes((nonce + hash * key) % ORDER)]);
}

/** Of the curve's group. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function sha512(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha512');
  for (const part of parts) {
    hash.update(part);
  }
  return hash.digest();
}

/** RFC 8032: the lowest three bits and the highest one are cleared, the second highest is set. */
function clamp(half: Buffer): bigint {
  const low = littleEndian(half);
  return etc.mod((((low >> 3n) << 3n) % 2n ** 254n) | (2n ** 254n), ORDER);
}

/** A hash as a number of the group. */
function number(hash: Buffer): bigint {
  return etc.mod(littleEndian(hash), ORDER);
}

function littleEndian(buffer: Buffer): bigint {
  return BigInt(`0x${Buffer.from(buffer).reverse().toString('hex')}`);
}

function bytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
}
