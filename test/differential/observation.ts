/** Values that the probe saw: `section key` → value. A repeated key has its values in order. */
export type Observation = ReadonlyMap<string, readonly string[]>;

/** Numbers that differ between any two runs. FDSize is the room for what init has open when it forks, for all containers. */
const VOLATILE = /^status (Vm|Rss|HugetlbPages|voluntary|nonvoluntary|Ngid|SigQ|FDSize)/;
/** Counters of the cgroup, as opposed to settings. */
const COUNTED =
  /^cgroup .*\.(current|peak|stat|numa_stat|events|events\.local|pressure|procs|threads|type|controllers|stat\.local|effective|partition)$/;

/** crun gives the guest's /dev/null, which is its own stdio, to a container's user; other containers see that too. */
const NULL_DEVICE = /^(mode 20666) owner \d+:\d+(?= device 1:3 )/;

/** Parses the probe's output. `names` are names for namespace links, to show which one a process is in. */
export function parseObservation(output: string, names: ReadonlyMap<string, string>): Observation {
  const found = new Map<string, string[]>();
  const add = (name: string, value: string) => found.set(name, [...(found.get(name) ?? []), value]);
  for (const line of output.replaceAll("\r\n", "\n").split("\n")) {
    const [section = "", key = "", value] = line.split("\t");
    const name = `${section} ${key}`.trim();
    if (value === undefined || VOLATILE.test(name) || COUNTED.test(name)) continue;
    if (section === "mountinfo") {
      const { point, rest } = mountOf(value);
      add(`mount ${point}`, rest);
      add("mounts", point);
    } else if (section.startsWith("hook ") && key === "state") {
      for (const [field, its] of Object.entries(stateOf(value))) add(`${name}.${field}`, its);
    } else {
      const named = value.replace(/^\w+:\[\d+\]$/, (link) => names.get(link) ?? "another");
      add(name, named.replace(NULL_DEVICE, "$1 owner of the moment"));
    }
  }
  return found;
}

/**
 * Parses a line of mountinfo, without the numbers of the mount, its parent, its peers and its device, and without
 * options that the kernel adds.
 */
function mountOf(line: string): { readonly point: string; readonly rest: string } {
  const plain = line.replaceAll(/(shared|master|propagate_from):\d+/g, "$1").replace(/,(inode64|nsdelegate)\b/g, "");
  const [, , , root, point = "", ...rest] = plain.split(" ");
  return { point, rest: [root, ...rest].join(" ") };
}

/** Returns the fields of a container's state, as a hook reads them on stdin. */
function stateOf(escaped: string): Record<string, string> {
  try {
    const state = JSON.parse(escaped.replaceAll("\\n", "\n").replaceAll("\\\\", "\\")) as Record<string, unknown>;
    const pid = typeof state["pid"] === "number" && state["pid"] > 1 ? "above 1" : state["pid"];
    return Object.fromEntries(
      Object.entries({ ...state, pid }).map(([field, value]) => [field, JSON.stringify(value) ?? "absent"]),
    );
  } catch {
    return { text: escaped };
  }
}

/**
 * Returns one line for each difference, `name: what the first saw | what the second saw`: value by value if both have
 * the same number, otherwise the values that only one has.
 */
export function differences(first: Observation, second: Observation): string[] {
  const names = [...new Set([...first.keys(), ...second.keys()])].sort();
  return names.flatMap((name) => {
    const [a, b] = [first.get(name) ?? [], second.get(name) ?? []];
    if (a.join("\n") === b.join("\n")) return [];
    const [left, right] = [without(a, b), without(b, a)];
    if (left.length + right.length === 0) return [`${name}: in another order`];
    if (a.length !== b.length) return [`${name}: ${left.join(" ; ")} | ${right.join(" ; ")}`];
    return a.flatMap((value, index) => (value === b[index] ? [] : [`${name}: ${value} | ${b[index]}`]));
  });
}

/** Returns what is in `these` more often than in `those`. */
function without(these: readonly string[], those: readonly string[]): string[] {
  const rest = [...those];
  return these.filter((value) => {
    const at = rest.indexOf(value);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}
