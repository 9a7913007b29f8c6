import type { Command } from "commander";
import { StateStore } from "../../engine/record/state-store.ts";
import { sizeText } from "../../size-text.ts";
import {
  type FormatFlags,
  formatLines,
  isJson,
  jsonText,
  type OutputFlags,
  withFormat,
  withOutput,
} from "../flags/output-flags.ts";
import { print } from "../output/print.ts";
import { textTable } from "../output/text-table.ts";
import { diskUsage } from "../prune/disk-usage.ts";

const HEADER = ["TYPE", "TOTAL", "ACTIVE", "SIZE"];

/** Adds `guestctl system df`. */
export function addSystemDf(parent: Command): void {
  const command = parent
    .command("df")
    .summary("show the disk space of images, containers and templates")
    .description("Show the disk space of images, of containers' disks and outputs, and of templates.");
  withFormat(withOutput(command), "{{.Type}} {{.Size}}").action((flags: OutputFlags & FormatFlags) => df(flags));
}

async function df(flags: OutputFlags & FormatFlags): Promise<void> {
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const { BlockStore } = await import("../../engine/image/disk/block-store.ts");
  const { TemplateStore } = await import("../../engine/template/template-store.ts");
  const stores = { images: new ImageStore(), disks: new BlockStore(), templates: new TemplateStore() };
  const rows = await diskUsage(new StateStore(), stores);
  if (flags.format !== undefined) return print(formatLines(rows, flags.format));
  if (isJson(flags)) return print(jsonText(rows));
  const cells = rows.map(({ type, total, active, size }) => [type, `${total}`, `${active}`, sizeText(size)]);
  await print(textTable([HEADER, ...cells]));
}
