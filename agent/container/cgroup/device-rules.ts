import type { LinuxSpec } from "../spec.ts";
import { refuseResource } from "./cgroup-write.ts";
import type { DeviceCgroupSpec } from "./resources-spec.ts";

/** BPF_DEVCG_ACC_* bits. */
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
export const ALL_ACCESS = 7;
/** Protects against absurdly long programs. */
const MAX_RULES = 1024;
const MAX_NUMBER = 2 ** 31 - 1;

/**
 * One rule of a device filter: the devices it matches and the access bits (1 mknod, 2 read, 4 write). An absent field
 * matches all.
 */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type?: "b" | "c" | undefined;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly access: number;
}

const node = (major: number, minor: number) => ({ allow: true, type: "c", major, minor, access: ALL_ACCESS }) as const;

/**
 * Devices that every container may use, as in runc, crun and Kata; a spec's rules can't remove them. The console (5:1)
 * is excluded: it is the guest's, and a process that opens it can stop it. A container's own console is a pty.
 */
const DEFAULTS: readonly DeviceRule[] = [
  { allow: true, type: "c", access: 1 },
  { allow: true, type: "b", access: 1 },
  node(1, 3), // null
  node(1, 5), // zero
  node(1, 7), // full
  node(1, 8), // random
  node(1, 9), // urandom
  node(5, 0), // tty
  node(5, 2), // ptmx
  { allow: true, type: "c", major: 136, access: ALL_ACCESS }, // pts
  node(10, 200), // net/tun
];

/**
 * The rules for a container; later rules win, and access without a matching rule is denied. The rules of
 * linux.resources.devices, in their order, are surrounded by those of nodeRules and followed by those for default
 * devices.
 */
export function deviceRules(linux: Pick<LinuxSpec, "devices" | "resources">): DeviceRule[] {
  const given = linux.resources.devices ?? [];
  if (given.length > MAX_RULES) throw refuseResource("devices", `has ${given.length} rules, more than ${MAX_RULES}`);
  const rules = given.map(toRule);
  const { before, after } = nodeRules(linux);
  return [...before.map(toRule), ...rules, ...after.map(toRule), ...DEFAULTS];
}

/**
 * Rules that allow the nodes of linux.devices. Nodes whose major number appears in linux.resources.devices are allowed
 * before its rules, which may narrow them; the others after them, so that a rule for all devices doesn't block them.
 */
export function nodeRules({ devices, resources: { devices: given = [] } }: Pick<LinuxSpec, "devices" | "resources">) {
  const nodes = devices.flatMap(({ type, major, minor }): DeviceCgroupSpec[] =>
    type === "p" ? [] : [{ allow: true, type: type === "b" ? "b" : "c", major, minor, access: "rwm" }],
  );
  const named = new Set(given.flatMap(namesOf));
  const isGiven = ({ type, major, minor }: DeviceCgroupSpec) =>
    named.has(nameOf(type, major)) || named.has(nameOf(type, major, minor));
  return { before: nodes.filter(isGiven), after: nodes.filter((node) => !isGiven(node)) };
}

/** Names of the devices a rule matches by major number; without a minor number, all of that major. */
function namesOf({ type, major, minor }: DeviceCgroupSpec): string[] {
  if (major === undefined) return [];
  return (type === "a" ? ["b", "c"] : [type]).map((each) => nameOf(each, major, minor));
}

const nameOf = (type: string, major: number | undefined, minor?: number): string => `${type} ${major}:${minor ?? "*"}`;

/** True if the rules allow everything, so that no filter is needed. */
export function allowsAll(rules: readonly DeviceRule[]): boolean {
  const last = rules.findLastIndex((rule) => !rule.allow || isForAll(rule));
  return last >= 0 && rules[last]?.allow === true;
}

/** True if the rule matches every access to every device. */
export function isForAll({ type, major, minor, access }: DeviceRule): boolean {
  return type === undefined && major === undefined && minor === undefined && access === ALL_ACCESS;
}

function toRule({ allow, type, major, minor, access }: DeviceCgroupSpec, index: number): DeviceRule {
  const refuse = (why: string) => refuseResource(`devices[${index}]`, why);
  if (type !== "a" && type !== "b" && type !== "c") throw refuse(`type ${JSON.stringify(type)} is not one of a, b, c`);
  for (const number of [major ?? 0, minor ?? 0]) {
    if (number < 0 || number > MAX_NUMBER) throw refuse(`${number} is not a device number`);
  }
  let bits = 0;
  for (const letter of access) {
    const bit = ACCESS[letter];
    if (bit === undefined) throw refuse(`access ${JSON.stringify(access)} has letters other than r, w, m`);
    bits |= bit;
  }
  return {
    allow,
    ...(type === "a" ? {} : { type }),
    major,
    minor,
    access: bits,
  };
}
