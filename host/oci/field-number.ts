import type protobuf from "protobufjs";

/** Range of each integer type. */
const RANGES: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/**
 * Represents a mode without permissions, which the message can't distinguish from no mode: the file type bits are not
 * permissions.
 */
const NO_PERMISSIONS = 0o170000;

/** Fields whose 0 the message can't distinguish from "not set": an equivalent value, or the reason for refusing 0. */
const ZEROS: Readonly<Record<string, number | string>> = {
  "LinuxDevice.FileMode": NO_PERMISSIONS,
  "LinuxDeviceCgroup.Major": "is 0, which no device has",
  "LinuxMemory.Swappiness": "is 0; cgroup v2 has no swappiness",
  "Hook.Timeout": "is 0; a hook needs a positive timeout",
};

/**
 * Converts a number of a config.json to its field's value: within the field's range, and exact (as text if a `number`
 * isn't). Otherwise returns the reason for refusing it, to follow the field's name.
 */
export function fieldNumber(field: protobuf.Field, json: number | bigint): { value: number | string } | string {
  const [min, max] = RANGES[field.type] ?? [0n, 0n];
  if (typeof json === "number" && !Number.isInteger(json)) return "is not a whole number";
  // 2^64 is the nearest `number` to 2^64-1, which means "no limit".
  const exact = json === 2 ** 64 ? 2n ** 64n - 1n : BigInt(json);
  if (exact < min || exact > max) return `${exact} is outside ${min}..${max}`;
  const zero = exact === 0n ? ZEROS[`${field.parent?.name}.${field.name}`] : undefined;
  if (typeof zero === "string") return zero;
  // Only uint64 accepts text for exact values; an int64 becomes the nearest number.
  const isText = field.type === "uint64" && !Number.isSafeInteger(Number(exact));
  return { value: zero ?? (isText ? String(exact) : Number(exact)) };
}
