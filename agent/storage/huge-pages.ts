import { readdir, readFile, writeFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { AgentError } from "../kernel/error.ts";

const HUGE_PAGES = "/sys/kernel/mm/hugepages";
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Pages of one size for one file system. Bytes. */
export interface HugePages {
  readonly pageSize: number;
  readonly size: number;
}

/** From `pagesize=2M`, `size=64M`, one option each or both in one. Throws for what can't be. */
export function hugePagesOf(options: readonly string[]): HugePages {
  const words = new Map(options.flatMap((option) => option.split(",")).map((word) => splitAt(word, "=")));
  const [pageSize, size] = [bytesOf("pagesize", words.get("pagesize")), bytesOf("size", words.get("size"))];
  if (pageSize < 1024 || size < pageSize || size % pageSize !== 0) {
    throw refuse(`${size} bytes are no whole number of pages of ${pageSize}`);
  }
  return { pageSize, size };
}

/** Has the kernel set so many more aside. When it can't, none is. */
export async function reserveHugePages({ pageSize, size }: HugePages, directory = HUGE_PAGES): Promise<void> {
  const file = `${directory}/hugepages-${pageSize / 1024}kB/nr_hugepages`;
  const before = await readCount(file).catch(async () => {
    const known = await readdir(directory).catch(() => []);
    throw refuse(`no pages of ${pageSize} bytes; there are: ${known.join(", ") || "none"}`);
  });
  const wanted = size / pageSize;
  const asked = `huge pages: ${wanted} pages of ${pageSize} bytes asked for`;
  // The kernel would drive everything else out of memory before it gives up.
  if (size > totalmem())
    throw new AgentError("resource-exhausted", `${asked}, the guest has ${totalmem()} bytes in all`);
  await writeFile(file, String(before + wanted), { flag: "r+" });
  const got = (await readCount(file)) - before;
  if (got >= wanted) return;
  await writeFile(file, String(before), { flag: "r+" });
  throw new AgentError("resource-exhausted", `${asked}, ${got} could be set aside`);
}

/** Gives back what `reserveHugePages` took. */
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
  throw refuse(`option ${name}=${JSON.stringify(text.slice(0, 40))} is no number of bytes`);
}

function splitAt(word: string, mark: string): [string, string] {
  const at = word.indexOf(mark);
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}

function refuse(why: string): AgentError {
  return new AgentError("invalid-argument", `huge pages: ${why}`);
}
