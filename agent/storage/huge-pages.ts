import { readdir, readFile, writeFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { AgentError } from "../kernel/error.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";

const HUGE_PAGES = "/sys/kernel/mm/hugepages";
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Huge pages of one size for one file system. Sizes in bytes. */
export interface HugePages {
  readonly pageSize: number;
  readonly size: number;
}

/** Parses `pagesize=2M` and `size=64M`, as two options or in one. Throws for an invalid size. */
export function hugePagesOf(options: readonly string[]): HugePages {
  const words = new Map(options.flatMap((option) => option.split(",")).map((word) => splitAt(word, "=")));
  const [pageSize, size] = [bytesOf("pagesize", words.get("pagesize")), bytesOf("size", words.get("size"))];
  if (pageSize < 1024 || size < pageSize || size % pageSize !== 0) {
    throw invalidArgument(`huge pages: size ${size} is not a multiple of the page size ${pageSize}`);
  }
  return { pageSize, size };
}

/** Makes the kernel reserve this many additional pages. Reserves none on failure. */
export async function reserveHugePages({ pageSize, size }: HugePages, directory = HUGE_PAGES): Promise<void> {
  const file = `${directory}/hugepages-${pageSize / 1024}kB/nr_hugepages`;
  const before = await readCount(file).catch(async () => {
    const known = await readdir(directory).catch(() => []);
    throw invalidArgument(
      `huge pages: page size ${pageSize} is not supported; supported: ${known.join(", ") || "none"}`,
    );
  });
  const wanted = size / pageSize;
  const asked = `huge pages: ${wanted} pages of ${pageSize} bytes requested`;
  // The kernel would evict everything else from memory before it fails.
  if (size > totalmem())
    throw new AgentError("resource-exhausted", `${asked}, the guest has ${totalmem()} bytes in total`);
  await writeFile(file, String(before + wanted), { flag: "r+" });
  const got = (await readCount(file)) - before;
  if (got >= wanted) return;
  await writeFile(file, String(before), { flag: "r+" });
  throw new AgentError("resource-exhausted", `${asked}, only ${got} available`);
}

/** Releases the pages that `reserveHugePages` reserved. */
export async function releaseHugePages({ pageSize, size }: HugePages, directory = HUGE_PAGES): Promise<void> {
  const file = `${directory}/hugepages-${pageSize / 1024}kB/nr_hugepages`;
  const now = await readCount(file);
  await writeFile(file, String(Math.max(0, now - size / pageSize)), { flag: "r+" });
}

async function readCount(file: string): Promise<number> {
  return Number((await readFile(file, "utf8")).trim());
}

function bytesOf(name: string, text = ""): number {
  const [, digits, unit = ""] = /^(\d{1,15})([kmg]?)i?b?$/i.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw invalidArgument(`huge pages: option ${name}=${quoted(text, 40)} is not a size in bytes`);
}

function splitAt(word: string, mark: string): [string, string] {
  const at = word.indexOf(mark);
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}
