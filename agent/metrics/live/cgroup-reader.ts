import { KeptFile } from "./kept-file.ts";
import { networkBytes, numberAfter, sumOf, type Usage, waited } from "./usage.ts";

const FILES = [
  ...["cpu.stat", "memory.current", "memory.max", "pids.current", "io.stat"],
  ...["cpu.pressure", "memory.pressure", "io.pressure"],
] as const;

/** Reads the usage of one container. */
export class CgroupReader {
  readonly #files: readonly KeptFile[];
  readonly #network: KeptFile | undefined;

  /** `network` is the path of its /proc/PID/net/dev; undefined if its network is the guest's. */
  constructor(directory: string, network?: string) {
    this.#files = FILES.map((name) => new KeptFile(`${directory}/${name}`));
    if (network !== undefined) this.#network = new KeptFile(network);
  }

  read(): Usage {
    const [cpu, memory, limit, pids, io, ...pressure] = this.#files.map((file) => file.read());
    const [cpuWait, memoryWait, ioWait] = pressure.map(waited);
    return {
      cpu_micros: numberAfter(cpu ?? "", "usage_usec"),
      memory: numberOf(memory),
      memory_limit: numberOf(limit),
      pids: numberOf(pids),
      read_bytes: io === undefined ? undefined : sumOf(io, "rbytes="),
      written_bytes: io === undefined ? undefined : sumOf(io, "wbytes="),
      ...networkBytes(this.#network?.read()),
      ...{ cpu_some: cpuWait?.some, cpu_full: cpuWait?.full },
      ...{ memory_some: memoryWait?.some, memory_full: memoryWait?.full },
      ...{ io_some: ioWait?.some, io_full: ioWait?.full },
    };
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#network?.close();
  }
}

/** Returns undefined for "max" and an absent file. */
function numberOf(text: string | undefined): number | undefined {
  const value = Number.parseInt(text ?? "", 10);
  return Number.isNaN(value) ? undefined : value;
}
