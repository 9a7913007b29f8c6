import { readFile } from "node:fs/promises";
import { MachineError } from "./machine-error.ts";

/** Frequency of this machine's time stamp counter in kHz, which a microvm guest is told because it cannot measure it. */
export async function tscKhz(): Promise<number> {
  const mhz = /^cpu MHz\s*: ([\d.]+)$/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1];
  if (mhz === undefined) throw new MachineError("/proc/cpuinfo: no CPU frequency: microvm guests need an x86 machine");
  return Math.round(Number(mhz) * 1000);
}
