import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

interface Sized {
  readonly name: string;
  readonly bytes: number;
}

const MOST_PARTS = 4;

/** How big each output is and what it is made of, as lines for people. */
export async function sizeTable(to: string): Promise<string> {
  const image = join(to, "image");
  const { components } = JSON.parse(await readFile(join(image, "contents.json"), "utf8")) as { components: Sized[] };
  const bundles = JSON.parse(await readFile(join(to, "agent", "sizes.json"), "utf8")) as (Sized & { parts: Sized[] })[];
  const lines: string[] = [];
  for (const name of ["vmlinuz", "initrd.cpio.gz", "guest.img"]) lines.push(await line(join(image, name), name));
  for (const { name, bytes } of components) lines.push(row(`  ${name}`, bytes));
  for (const { name, bytes, parts } of bundles) {
    lines.push(row(`    ${name}`, bytes));
    for (const part of parts.slice(0, MOST_PARTS)) lines.push(row(`      ${part.name}`, part.bytes));
  }
  const caches = (await readdir(join(to, "agent"))).filter((name) => name.endsWith(".cache")).sort();
  for (const name of caches) lines.push(await line(join(to, "agent", name), `    ${name}`));
  return lines.join("");
}

async function line(path: string, name: string): Promise<string> {
  return row(name, (await stat(path)).size);
}

function row(name: string, bytes: number): string {
  return `${name.padEnd(32)} ${(bytes / 1024).toFixed(0).padStart(8)} KiB\n`;
}
