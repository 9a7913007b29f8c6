import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { WORK } from "../clean-up/work-directory.ts";

/** What the probe saw: `section key` → value. A key that comes again has its values in order. */
export type Observation = ReadonlyMap<string, readonly string[]>;

/** Path of the probe, built once, and again when its source changes; static. */
export function buildProbe(): string {
  const source = join(import.meta.dirname, "probe.c");
  const probe = join(WORK, "probe");
  mkdirSync(WORK, { recursive: true });
  if (existsSync(probe) && statSync(probe).mtimeMs > statSync(source).mtimeMs) return probe;
  const fresh = `${probe}.${process.pid}`;
  const flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-static", "-s", "-Wall", "-Wextra", "-Werror"];
  execFileSync(existsSync("/usr/bin/musl-gcc") ? "musl-gcc" : "gcc", [...flags, source, "-o", fresh]);
  renameSync(fresh, probe);
  return probe;
}

/** Numbers that differ from one run to the next, whoever made the container. */
const VOLATILE =
  /^status (Vm|Rss|HugetlbPages|voluntary|nonvoluntary|Ngid|Threads|Mems_|Cpus_)|^id (pid|ppid)$|^status (Pid|Tgid|PPid|NS)/;

/** `guest`: namespace links of the guest itself, by type, so that a namespace is told as the guest's or another one. */
export function parseObservation(output: string, guest: ReadonlyMap<string, string>): Observation {
  const found = new Map<string, string[]>();
  const add = (name: string, value: string) => found.set(name, [...(found.get(name) ?? []), value]);
  for (const line of output.replaceAll("\r\n", "\n").split("\n")) {
    const [section = "", key = "", value] = line.split("\t");
    if (value === undefined || VOLATILE.test(`${section} ${key}`)) continue;
    if (section === "mountinfo") {
      const { point, rest } = mountOf(value);
      add(`mount ${point}`, rest);
      add("mounts in order", point);
    } else
      add(
        `${section} ${key}`.trim(),
        section === "ns" ? (value === guest.get(key) ? "the guest's" : "another") : value,
      );
  }
  return found;
}

/** A line of mountinfo without the numbers of the mount, its parent, its peers and its device. */
function mountOf(line: string): { readonly point: string; readonly rest: string } {
  const [, , , root, point = "", ...rest] = line.replaceAll(/(shared|master):\d+/g, "$1").split(" ");
  return { point, rest: [root, ...rest].join(" ") };
}

/** One line for each difference: `name: what the first saw | what the second saw`. */
export function differences(first: Observation, second: Observation): string[] {
  const names = [...new Set([...first.keys(), ...second.keys()])].sort();
  return names.flatMap((name) => {
    const [a = [], b = []] = [first.get(name), second.get(name)];
    const only = (these: readonly string[], those: readonly string[]) => these.filter((each) => !those.includes(each));
    const left = [only(a, b), only(b, a)];
    if (left.every((lines) => lines.length === 0)) {
      return a.join("\n") === b.join("\n") ? [] : [`${name}: in another order`];
    }
    return [`${name}: ${left.map((lines) => lines.join(" ; ")).join(" | ")}`];
  });
}
