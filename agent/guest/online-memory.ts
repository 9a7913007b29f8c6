import { constants } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { AgentError, SystemError } from "../kernel/error.ts";

const MEMORY = "/sys/devices/system/memory";

/** Brings every block of memory that was plugged in online; tries all, then throws for the first that can't be. */
export async function onlineMemory(directory = MEMORY): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return []; // a kernel without memory hot-plug
    throw error;
  });
  const failed: string[] = [];
  let changed = 0;
  for (const name of names.filter((one) => /^memory\d+$/.test(one))) {
    const file = `${directory}/${name}/online`;
    try {
      if ((await readFile(file, "utf8")).trim() !== "0") continue;
      await writeFile(file, "1", { flag: "r+" });
      changed += 1;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") failed.push(`${name}: ${code}`); // else it went meanwhile
    }
  }
  if (failed.length === 0) return;
  const others = `${failed.length - 1} more failed, ${changed} came online`;
  throw new AgentError("internal", `online memory block ${failed[0]}; ${others}`);
}

/** Tells the kernel of memory at these addresses, for machines that don't tell it themselves. */
export async function probeMemory(addresses: readonly number[], directory = MEMORY): Promise<void> {
  const file = `${directory}/probe`;
  if (!addresses.every(Number.isSafeInteger)) {
    throw new AgentError("invalid-argument", "probe memory: an address is beyond all memory");
  }
  for (const [index, address] of addresses.entries()) {
    const hex = `0x${address.toString(16)}`;
    await writeFile(file, hex, { flag: constants.O_WRONLY }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") throw new AgentError("internal", `probe memory: this kernel has no ${file}`);
      const told = index === 0 ? "" : `; ${index} before it are known to the kernel now`;
      throw new SystemError("probe memory at", -(error.errno ?? -5), hex, `the kernel refused it${told}`);
    });
  }
}
