// The messages of the contract as plain objects. Whole numbers of 64 bits are strings, since a JavaScript number
// cannot hold them all; enumerations are their names.

import protobuf from 'protobufjs/light.js';
import { contract } from './contract.generated.js';

let loaded: protobuf.Root | undefined;

function type(name: string): protobuf.Type {
  loaded ??= protobuf.Root.fromJSON(JSON.parse(contract) as protobuf.INamespace);
  return loaded.lookupType(name);
}

/** Encodes a message of the contract. Fields that are undefined are left out. */
export function encode(name: string, message: object): Buffer {
  const found = type(name);
  return Buffer.from(found.encode(found.fromObject(message)).finish());
}

/** Decodes a message of the contract. */
export function decode<T>(name: string, bytes: Uint8Array): T {
  const found = type(name);
  const options = { longs: String, enums: String, defaults: true, oneofs: true, objects: true, arrays: true } as const;
  return found.toObject(found.decode(bytes), options) as T;
}

/** A moment as the contract sends it. */
export interface Timestamp {
  seconds: string;
  nanos: number;
}

export type Duration = Timestamp;

export function dateOf(time: Timestamp | null | undefined): Date | undefined {
  return time ? new Date(Number(time.seconds) * 1000 + Math.trunc(time.nanos / 1e6)) : undefined;
}

export function secondsOf(time: Duration | null | undefined): number | undefined {
  return time ? Math.max(0, Number(time.seconds) + time.nanos / 1e9) : undefined;
}

export function durationOf(seconds: number | undefined): Duration | undefined {
  if (seconds === undefined) return undefined;
  const whole = Math.floor(seconds);
  return { seconds: String(whole), nanos: Math.round((seconds - whole) * 1e9) };
}

/** `SESSION_STATE_SIGNED_IN` as `SIGNED_IN`. */
export function without(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}
