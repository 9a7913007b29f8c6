import { refuse } from "../refuse.ts";

/** Resource numbers of x86_64 and arm64. */
const RESOURCES = new Map(
  "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"
    .split(" ")
    .map((name, number) => [`RLIMIT_${name}`, number]),
);

export function rlimitNumber(type: string): number {
  const number = RESOURCES.get(type.toUpperCase());
  if (number === undefined) throw refuse("process.rlimits", `has an unknown type "${type}"`);
  return number;
}

export function rlimitName(resource: number): string {
  return [...RESOURCES].find(([, number]) => number === resource)?.[0] ?? `resource ${resource}`;
}
