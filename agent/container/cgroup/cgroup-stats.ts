/**
 * Stands for "max" in a cgroup file: no limit. 9223372036854771712, the value of cgroup v1 and of the reference; 2^64-1
 * is not exact as a number.
 */
export const UNLIMITED = 2 ** 63 - 4096;

/** Counters of a cgroup v2 directory. A part or field is absent if its file (its controller) is. */
export interface CgroupStats {
  readonly cpu?: CpuStats | undefined;
  readonly memory?: MemoryStats | undefined;
  readonly pids?: { readonly current: number; readonly limit?: number | undefined } | undefined;
  /** A device without traffic may be absent. */
  readonly io?: readonly IoStats[] | undefined;
  /** By page size as in file names: "2MB". */
  readonly hugetlb: Readonly<Record<string, { readonly usage: number; readonly failures: number }>>;
}

/** CPU times in nanoseconds; above 2^53 (104 days of one CPU) the last digit or two are rounded. */
export interface CpuStats {
  readonly usage: number;
  readonly user: number;
  readonly system: number;
  /** Present only with the cpu controller. */
  readonly throttling?: { readonly periods: number; readonly throttledPeriods: number; readonly throttledTime: number };
}

/** Memory counters in bytes. */
export interface MemoryStats {
  readonly usage: number;
  /** Highest usage so far (since Linux 5.19). */
  readonly peak?: number | undefined;
  readonly limit: number;
  /** Number of times that usage reached the limit. */
  readonly limitHits: number;
  readonly oomKills: number;
  /** Swap alone, not memory and swap together as in cgroup v1. */
  readonly swap?: { readonly usage: number | undefined; readonly limit: number; readonly limitHits: number };
  /** Contents of memory.stat, unchanged. */
  readonly stat: Readonly<Record<string, number>>;
}

/** Block I/O counters: bytes and numbers of requests. */
export interface IoStats {
  readonly major: number;
  readonly minor: number;
  readonly rbytes: number;
  readonly wbytes: number;
  readonly rios: number;
  readonly wios: number;
  readonly dbytes: number;
  readonly dios: number;
}

/** Returns the text of a file, or undefined if the file is missing. */
export type ReadOptional = (path: string) => string | undefined;

/**
 * Reads the counters of one cgroup. `pageSizes` come from hugePageSizes. Never throws: a value that isn't a number is
 * absent.
 */
export function readCgroupStats(read: ReadOptional, directory: string, pageSizes: readonly string[] = []): CgroupStats {
  const file = (name: string) => read(`${directory}/${name}`);
  const cpu = parseCpu(file("cpu.stat"));
  const memory = parseMemory(file);
  const pids = parseValue(file("pids.current"));
  const pidsLimit = parseValue(file("pids.max"));
  const io = file("io.stat");
  return {
    cpu,
    memory,
    pids: pids === undefined ? undefined : { current: pids, limit: pidsLimit },
    io: io === undefined ? undefined : parseIo(io),
    hugetlb: Object.fromEntries(pageSizes.flatMap((size) => parseHugetlb(file, size))),
  };
}

/** Converts names of /sys/kernel/mm/hugepages ("hugepages-2048kB") to sizes as in cgroup file names ("2MB"). */
export function hugePageSizes(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    if (kib === 0) return [];
    if (kib >= 1024 * 1024) return [`${kib / 1024 / 1024}GB`];
    return [kib >= 1024 ? `${kib / 1024}MB` : `${kib}KB`];
  });
}

function parseCpu(text: string | undefined): CpuStats | undefined {
  if (text === undefined) return undefined;
  const stat = parseFlat(text);
  const nanoseconds = (key: string) => (stat[key] ?? 0) * 1000;
  const usage = {
    usage: nanoseconds("usage_usec"),
    user: nanoseconds("user_usec"),
    system: nanoseconds("system_usec"),
  };
  if (stat["nr_periods"] === undefined) return usage;
  const throttling = {
    periods: stat["nr_periods"],
    throttledPeriods: stat["nr_throttled"] ?? 0,
    throttledTime: nanoseconds("throttled_usec"),
  };
  return { ...usage, throttling };
}

function parseMemory(file: (name: string) => string | undefined): MemoryStats | undefined {
  const usage = parseValue(file("memory.current"));
  if (usage === undefined) return undefined;
  const events = parseFlat(file("memory.events") ?? "");
  const peak = parseValue(file("memory.peak"));
  const swap = parseValue(file("memory.swap.current"));
  const swapLimit = parseValue(file("memory.swap.max")) ?? UNLIMITED;
  const swapHits = parseFlat(file("memory.swap.events") ?? "")["max"] ?? 0;
  return {
    usage,
    peak,
    limit: parseValue(file("memory.max")) ?? UNLIMITED,
    limitHits: events["max"] ?? 0,
    oomKills: events["oom_kill"] ?? 0,
    ...(swap === undefined ? {} : { swap: { usage: swap, limit: swapLimit, limitHits: swapHits } }),
    stat: parseFlat(file("memory.stat") ?? ""),
  };
}

/** Parses `8:0 rbytes=1 wbytes=2 …`; a removed device may leave a line with nothing after its number. */
function parseIo(text: string): IoStats[] {
  return text.split("\n").flatMap((line) => {
    const match = /^(\d+):(\d+) (.*)$/.exec(line);
    if (match?.[3] === undefined) return [];
    const values: Record<string, number> = {};
    for (const [, key = "", digits] of match[3].matchAll(/(\w+)=(\d+)/g)) values[key] = Number(digits);
    const { rbytes = 0, wbytes = 0, rios = 0, wios = 0, dbytes = 0, dios = 0 } = values;
    return [{ major: Number(match[1]), minor: Number(match[2]), rbytes, wbytes, rios, wios, dbytes, dios }];
  });
}

function parseHugetlb(file: (name: string) => string | undefined, size: string) {
  const usage = parseValue(file(`hugetlb.${size}.current`));
  const failures = parseFlat(file(`hugetlb.${size}.events`) ?? "")["max"] ?? 0;
  return usage === undefined ? [] : [[size, { usage, failures }] as const];
}

/** Parses `key number` lines. */
function parseFlat(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [, key = "", digits] of text.matchAll(/^(\S+) (\d+)$/gm)) values[key] = Number(digits);
  return values;
}

function parseValue(text: string | undefined): number | undefined {
  const word = text?.trim() ?? "";
  if (word === "max") return UNLIMITED;
  return /^\d+$/.test(word) ? Math.min(Number(word), UNLIMITED) : undefined;
}
