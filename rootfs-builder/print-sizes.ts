import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

interface Sized {
  readonly name: string;
  readonly bytes: number;
}

/** Prints how big each output is and what it is made of. */
export async function printSizes(to: string, output: { write(text: string): unknown }): Promise<void> {
  const image = join(to, "image");
  const { components } = JSON.parse(await readFile(join(image, "contents.json"), "utf8")) as { components: Sized[] };
  const bundles = JSON.parse(await readFile(join(to, "agent", "sizes.json"), "utf8")) as (Sized & { parts: Sized[] })[];
  const caches = (await readdir(join(to, "agent"))).filter((name) => name.endsWith(".cache")).sort();
  output.write("\n");
  for (const name of ["vmlinuz", "initrd.cpio.gz", "guest.img"]) output.write(await line(join(image, name), name));
  for (const { name, bytes } of components) output.write(row(`  ${name}`, bytes));
  for (const { name, bytes, parts } of bundles) {
    output.write(row(`    ${name}`, bytes));
    for (const part of parts.slice(0, 4)) output.write(row(`      ${part.name}`, part.bytes));
  }
  for (const name of caches) output.write(await line(join(to, "agent", name), `    ${name}`));
}

async function line(path: string, name: string): Promise<string> {
  return row(name, (await stat(path)).size);
}

function row(name: string, bytes: number): string {
  return `${name.padEnd(32)} ${(bytes / 1024).toFixed(0).padStart(8)} KiB\n`;
}
