import { readFile } from "node:fs/promises";
import { MachineError } from "./machine-error.ts";

/** Returns the frequency of the host's time stamp counter in kHz, which a microvm guest can't measure itself. */
export async function tscKhz(): Promise<number> {
  const mhz = /^cpu MHz\s*: ([\d.]+)$/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1];
  if (mhz === undefined) throw new MachineError("/proc/cpuinfo: no CPU frequency; microvm guests need an x86 host");
  return Math.round(Number(mhz) * 1000);
}
