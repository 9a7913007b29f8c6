import { KeptFile } from "./kept-file.ts";
import { networkBytes, numberAfter, sumOf, type Usage, waited } from "./usage.ts";

const FILES = [
  ...["memory.current", "memory.max", "pids.current", "io.stat"],
  ...["cpu.pressure", "memory.pressure", "io.pressure"],
] as const;

/** An idle container is read in full each so many times: the kernel may have taken memory from it. */
const FULL_EVERY = 10;

/** Reads the usage of one container. Of one that has used no processor time since, it mostly reads no more than that. */
export class CgroupReader {
  readonly #cpu: KeptFile;
  readonly #files: readonly KeptFile[];
  readonly #network: KeptFile | undefined;
  #last: Usage | undefined;
  /** Readings since the last one in full. */
  #age = 0;

  /** `network` is the path of its /proc/PID/net/dev; undefined if its network is the guest's. */
  constructor(directory: string, network?: string) {
    this.#cpu = new KeptFile(`${directory}/cpu.stat`);
    this.#files = FILES.map((name) => new KeptFile(`${directory}/${name}`));
    if (network !== undefined) this.#network = new KeptFile(network);
  }

  /** Returns the object that it returned last if the container was idle since. */
  read(): Usage {
    const cpuMicros = numberAfter(this.#cpu.read() ?? "", "usage_usec");
    const isIdle = cpuMicros !== undefined && cpuMicros === this.#last?.cpu_micros;
    if (this.#last !== undefined && isIdle && ++this.#age < FULL_EVERY) return this.#last;
    this.#age = 0;
    this.#last = this.#readAll(cpuMicros);
    return this.#last;
  }

  close(): void {
    this.#cpu.close();
    for (const file of this.#files) file.close();
    this.#network?.close();
  }

  #readAll(cpu_micros: number | undefined): Usage {
    const [memory, limit, pids, io, ...pressure] = this.#files.map((file) => file.read());
    const [cpuWait, memoryWait, ioWait] = pressure.map(waited);
    return {
      cpu_micros,
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
}

/** Returns undefined for "max" and an absent file. */
function numberOf(text: string | undefined): number | undefined {
  const value = Number.parseInt(text ?? "", 10);
  return Number.isNaN(value) ? undefined : value;
}
