import type protobuf from "protobufjs";

/** What each type of a message holds. */
const RANGES: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** A mode of no permissions at all: bits that are no permission tell it from none given. */
const NO_PERMISSIONS = 0o170000;

/** Fields whose 0 the message can't tell from "not given": what says the same, or why it can't be. */
const ZEROS: Readonly<Record<string, number | string>> = {
  "LinuxDevice.FileMode": NO_PERMISSIONS,
  "LinuxDeviceCgroup.Major": "is 0, which is no device's",
  "LinuxMemory.Swappiness": "is 0, and cgroup v2 has no swappiness",
  "Hook.Timeout": "is 0, and a hook needs some time",
};

/**
 * A number of a config.json as its field takes it: within the field's range, and exact, as text where a `number` isn't.
 * Otherwise the reason why it can't be, to stand after the field's name.
 */
export function fieldNumber(field: protobuf.Field, json: number | bigint): { value: number | string } | string {
  const [min, max] = RANGES[field.type] ?? [0n, 0n];
  if (typeof json === "number" && !Number.isInteger(json)) return "is not a whole number";
  // 2^64 is what 2^64-1 becomes as a number: "no limit".
  const exact = json === 2 ** 64 ? 2n ** 64n - 1n : BigInt(json);
  if (exact < min || exact > max) return `${exact} is outside ${min}..${max}`;
  const zero = exact === 0n ? ZEROS[`${field.parent?.name}.${field.name}`] : undefined;
  if (typeof zero === "string") return zero;
  // Text is exact for uint64 alone; the writer takes the number nearest to an int64.
  const isText = field.type === "uint64" && !Number.isSafeInteger(Number(exact));
  return { value: zero ?? (isText ? String(exact) : Number(exact)) };
}
