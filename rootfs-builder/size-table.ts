import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Format } from "./steps/context.ts";
import { KATA_IMAGE, KATA_INITRD } from "./steps/kata-steps.ts";
import { OCI_IMAGE } from "./steps/oci-image-step.ts";

interface Sized {
  readonly name: string;
  readonly bytes: number;
}

const MOST_PARTS = 4;

/** Output files of each format, and the file that lists their contents. */
const OUTPUTS: Readonly<Record<Format, { readonly files: readonly string[]; readonly list: string }>> = {
  guest: { files: ["image/vmlinuz", "image/initrd.cpio", "image/guest.img"], list: "image/contents.json" },
  "kata-image": { files: [`kata/${KATA_IMAGE}`], list: `kata/${KATA_IMAGE}.json` },
  "kata-initrd": { files: [`kata/${KATA_INITRD}`], list: `kata/${KATA_INITRD}.json` },
  "oci-image": { files: [OCI_IMAGE], list: `${OCI_IMAGE}.json` },
};

/** Returns the size of each output and of its parts as text. Roots of several formats have the same contents. */
export async function sizeTable(to: string, formats: readonly Format[]): Promise<string> {
  const outputs = formats.map((format) => OUTPUTS[format]);
  const list = join(to, outputs[0]?.list ?? "");
  const { components } = JSON.parse(await readFile(list, "utf8")) as { components: Sized[] };
  const lines: string[] = [];
  for (const file of outputs.flatMap(({ files }) => files)) lines.push(await line(join(to, file), basename(file)));
  for (const { name, bytes } of components) lines.push(row(`  ${name}`, bytes));
  if (components.some(({ name }) => name === "agent")) lines.push(...(await agentLines(join(to, "agent"))));
  return lines.join("");
}

/** Returns lines for the parts of the agent's bundles. */
async function agentLines(directory: string): Promise<readonly string[]> {
  const bundles = JSON.parse(await readFile(join(directory, "sizes.json"), "utf8")) as (Sized & { parts: Sized[] })[];
  const lines: string[] = [];
  for (const { name, bytes, parts } of bundles) {
    lines.push(row(`    ${name}`, bytes));
    for (const part of parts.slice(0, MOST_PARTS)) lines.push(row(`      ${part.name}`, part.bytes));
  }
  const caches = (await readdir(directory)).filter((name) => name.endsWith(".cache")).sort();
  for (const name of caches) lines.push(await line(join(directory, name), `    ${name}`));
  return lines;
}

async function line(path: string, name: string): Promise<string> {
  return row(name, (await stat(path)).size);
}

function row(name: string, bytes: number): string {
  return `${name.padEnd(32)} ${(bytes / 1024).toFixed(0).padStart(8)} KiB\n`;
}
