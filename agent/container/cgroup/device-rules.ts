import type { LinuxSpec } from "../spec.ts";
import { refuseResource } from "./cgroup-write.ts";
import type { DeviceCgroupSpec } from "./resources-spec.ts";

/** Bits of BPF_DEVCG_ACC_*. */
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
export const ALL_ACCESS = 7;
/** More make a program that nobody meant. */
const MAX_RULES = 1024;
const MAX_NUMBER = 2 ** 31 - 1;

/** A rule of the filter: which devices, which ways to use them (bits: 1 mknod, 2 read, 4 write). Absent stands for all. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type?: "b" | "c";
  readonly major?: number;
  readonly minor?: number;
  readonly access: number;
}

const node = (major: number, minor: number) => ({ allow: true, type: "c", major, minor, access: ALL_ACCESS }) as const;

/**
 * What every container may use, as runc, crun and Kata have it; no rule of a spec takes it away. Without the console (5:1):
 * it is the guest's, and who opens it can stop it. A container's own is a pty.
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
 * The rules for a container, the later ones winning; what none allows is denied: those of linux.resources.devices in their
 * order between those of nodeRules, then what every container may use.
 */
export function deviceRules(linux: Pick<LinuxSpec, "devices" | "resources">): DeviceRule[] {
  const given = linux.resources.devices ?? [];
  if (given.length > MAX_RULES) throw refuseResource("devices", `has ${given.length} rules, more than ${MAX_RULES}`);
  const rules = given.map(toRule);
  const { before, after } = nodeRules(linux);
  return [...before.map(toRule), ...rules, ...after.map(toRule), ...DEFAULTS];
}

/**
 * Rules that allow the nodes of linux.devices. Those that linux.resources.devices gives the major number of are allowed
 * before its rules, which may narrow that; the others after them, so that a rule for all devices does not take them away.
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

/** What a rule gives the major number of; without a minor one all of them. */
function namesOf({ type, major, minor }: DeviceCgroupSpec): string[] {
  if (major === undefined) return [];
  return (type === "a" ? ["b", "c"] : [type]).map((each) => nameOf(each, major, minor));
}

const nameOf = (type: string, major: number | undefined, minor?: number): string => `${type} ${major}:${minor ?? "*"}`;

/** Everything is allowed, so that no filter is needed. */
export function allowsAll(rules: readonly DeviceRule[]): boolean {
  const last = rules.findLastIndex((rule) => !rule.allow || isForAll(rule));
  return last >= 0 && rules[last]?.allow === true;
}

/** The rule matches every use of every device. */
export function isForAll({ type, major, minor, access }: DeviceRule): boolean {
  return type === undefined && major === undefined && minor === undefined && access === ALL_ACCESS;
}

function toRule({ allow, type, major, minor, access }: DeviceCgroupSpec, index: number): DeviceRule {
  const refuse = (why: string) => refuseResource(`devices[${index}]`, why);
  if (type !== "a" && type !== "b" && type !== "c") throw refuse(`type ${JSON.stringify(type)} is none of a, b, c`);
  for (const number of [major ?? 0, minor ?? 0]) {
    if (number < 0 || number > MAX_NUMBER) throw refuse(`${number} is no number of a device`);
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
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
    access: bits,
  };
}
