import { constants, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { AgentError, SystemError } from "../kernel/error.ts";

const MEMORY = "/sys/devices/system/memory";
const ZONES = "/proc/zoneinfo";
const PAGE = 4096;

/** Brings every plugged-in memory block online. Tries all of them, then throws for the first that failed. */
export async function onlineMemory(directory = MEMORY, zones = ZONES): Promise<void> {
  const blocks = listBlocks(directory);
  if (allPresent(blocks.length, directory, zones)) return;
  const failed: string[] = [];
  let changed = 0;
  for (const name of blocks) {
    const file = `${directory}/${name}/online`;
    try {
      if (readFileSync(file, "utf8").trim() !== "0") continue;
      await writeFile(file, "1", { flag: "r+" });
      changed += 1;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") failed.push(`${name}: ${code}`); // otherwise unplugged meanwhile
    }
  }
  if (failed.length === 0) return;
  const others = `${failed.length - 1} more failed, ${changed} came online`;
  throw new AgentError("internal", `online memory block ${failed[0]}; ${others}`);
}

function listBlocks(directory: string): string[] {
  try {
    return readdirSync(directory).filter((one) => /^memory\d+$/.test(one));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // a kernel without memory hotplug
    throw error;
  }
}

/**
 * True if the zones hold so many pages that no block can be offline, since an offline block's pages are in no zone.
 * False proves nothing: boot memory has holes, though seldom of a block's size, and pages may be larger.
 */
function allPresent(blocks: number, directory: string, zones: string): boolean {
  try {
    const blockSize = Number.parseInt(readFileSync(`${directory}/block_size_bytes`, "utf8"), 16);
    let pages = 0;
    for (const [, present] of readFileSync(zones, "utf8").matchAll(/^ +present +(\d+)$/gm)) pages += Number(present);
    return pages * PAGE > (blocks - 1) * blockSize;
  } catch {
    return false;
  }
}

/** Announces memory at these addresses to the kernel, on machines that don't announce it themselves. */
export async function probeMemory(addresses: readonly number[], directory = MEMORY): Promise<void> {
  const file = `${directory}/probe`;
  if (!addresses.every(Number.isSafeInteger)) {
    throw new AgentError("invalid-argument", "probe memory: an address is larger than 2^53 - 1");
  }
  for (const [index, address] of addresses.entries()) {
    const hex = `0x${address.toString(16)}`;
    await writeFile(file, hex, { flag: constants.O_WRONLY }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") throw new AgentError("internal", `probe memory: this kernel has no ${file}`);
      const accepted = index === 0 ? "" : `; the kernel has accepted the ${index} before it`;
      throw new SystemError("probe memory at", -(error.errno ?? -5), hex, `the kernel refused it${accepted}`);
    });
  }
}
