import { TICKS_PER_SECOND } from "../agent-process.ts";
import { KeptFile } from "./kept-file.ts";
import { networkBytes, numberAfter, sumOf, type Usage, waited } from "./usage.ts";

const SECTOR_BYTES = 512;

/** Reads the usage of the whole guest. */
export class GuestReader {
  readonly #cpu = new KeptFile("/sys/fs/cgroup/cpu.stat");
  readonly #stat = new KeptFile("/proc/stat");
  readonly #memory = new KeptFile("/proc/meminfo");
  readonly #io = new KeptFile("/sys/fs/cgroup/io.stat");
  readonly #disks = new KeptFile("/proc/diskstats");
  readonly #network = new KeptFile("/proc/self/net/dev");
  readonly #pressure = ["cpu", "memory", "io"].map((name) => new KeptFile(`/proc/pressure/${name}`));

  read(): Usage {
    const memory = this.#memory.read() ?? "";
    const [total, available] = [numberAfter(memory, "MemTotal:"), numberAfter(memory, "MemAvailable:")];
    const [cpu, memoryWait, io] = this.#pressure.map((file) => waited(file.read()));
    return {
      // The root cgroup's file costs a tenth of /proc/stat, which counts interrupts too.
      cpu_micros: numberAfter(this.#cpu.read() ?? "", "usage_usec") ?? busyMicros(this.#stat.read()),
      ...(total !== undefined && available !== undefined
        ? { memory: (total - available) * 1024, memory_limit: total * 1024 }
        : {}),
      ...this.#diskBytes(),
      ...networkBytes(this.#network.read()),
      ...{ cpu_some: cpu?.some, cpu_full: cpu?.full },
      ...{ memory_some: memoryWait?.some, memory_full: memoryWait?.full },
      ...{ io_some: io?.some, io_full: io?.full },
    };
  }

  close(): void {
    const files = [this.#cpu, this.#stat, this.#memory, this.#io, this.#disks, this.#network, ...this.#pressure];
    for (const file of files) file.close();
  }

  #diskBytes(): Pick<Usage, "read_bytes" | "written_bytes"> {
    const io = this.#io.read();
    if (io !== undefined) return { read_bytes: sumOf(io, "rbytes="), written_bytes: sumOf(io, "wbytes=") };
    const disks = this.#disks.read();
    return disks === undefined ? {} : sectorsOf(disks);
  }
}

/** Returns the time in which processors were not idle, from the text of /proc/stat. */
function busyMicros(text = ""): number | undefined {
  const [user, nice, system, , , irq, softirq] = text.slice(4, text.indexOf("\n")).trim().split(" ").map(Number);
  const ticks = (user ?? Number.NaN) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0);
  return Number.isNaN(ticks) ? undefined : (ticks * 1_000_000) / TICKS_PER_SECOND;
}

/** Sums up /proc/diskstats, without the partitions that are part of a disk's numbers. */
function sectorsOf(text: string): { readonly read_bytes: number; readonly written_bytes: number } {
  let [read_bytes, written_bytes] = [0, 0];
  for (const [, , read, written] of text.matchAll(
    /^ *\d+ +\d+ (vd[a-z]+|pmem\d+|nvme\d+n\d+|sd[a-z]+) \d+ \d+ (\d+) \d+ \d+ \d+ (\d+)/gm,
  )) {
    read_bytes += Number(read) * SECTOR_BYTES;
    written_bytes += Number(written) * SECTOR_BYTES;
  }
  return { read_bytes, written_bytes };
}
