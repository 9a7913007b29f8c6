import { textTable } from "../../../host/cli/output/text-table.ts";
import { type Backing, sharingRound } from "./sharing-rounds.ts";

const COUNTS = [2, 8];
const BACKINGS: readonly Backing[] = ["NVDIMM with DAX", "virtio-blk"];

/**
 * Prints the host memory that each idle guest of 256 MiB uses, by the number of guests and the device of their image.
 */
const rows = [["image as", "guests", "PSS of each, MiB", "guest's memory", "image", "QEMU"]];
for (const backing of BACKINGS) {
  await sharingRound(backing, COUNTS, (count, { all, memory, image }) => {
    const rest = all.median - memory.median - image.median;
    rows.push([backing, String(count), ...[all.median, memory.median, image.median, rest].map(mib)]);
  });
}
process.stdout.write(textTable(rows));

function mib(kib: number): string {
  return (kib / 1024).toFixed(0);
}
