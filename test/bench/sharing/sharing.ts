import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { connect } from "../../../host/client/agent-client.ts";
import { Guest } from "../../../host/vm/guest.ts";
import type { GuestOptions } from "../../../host/vm/guest-options.ts";
import { imagePaths } from "../../../host/vm/paths.ts";
import { Samples } from "../samples.ts";

const COUNTS = [2, 8];
const MEMORY_MIB = 256;
/** Milliseconds that a guest idles after its first answer. */
const SETTLE_MS = 2000;

/** A QEMU process's use of the host's memory, in KiB; shared pages count proportionally. */
interface Shares {
  readonly all: Samples;
  /** The guest's memory. */
  readonly memory: Samples;
  /** The mapped part of the image. */
  readonly image: Samples;
}

type Backing = "NVDIMM with DAX" | "virtio-blk";

const OPTIONS: Readonly<Record<Backing, GuestOptions>> = {
  "NVDIMM with DAX": {},
  "virtio-blk": {
    image: false,
    kernelArgs: ["root=/dev/vda1", "rootfstype=erofs", "ro"],
    qemuArgs: [
      ...["-drive", `id=image,file=${imagePaths.image},format=raw,if=none,readonly=on`],
      ...["-device", "virtio-blk-pci,drive=image"],
    ],
  },
};

const BACKINGS: readonly Backing[] = ["NVDIMM with DAX", "virtio-blk"];

/** Boots guests of one image side by side, and measures all of them at each number in `counts`. */
async function sharingRound(
  backing: Backing,
  counts: readonly number[],
  onMeasured: (count: number, shares: Shares) => void,
): Promise<void> {
  await using guests = new AsyncDisposableStack();
  const pids: number[] = [];
  for (const count of counts) {
    while (pids.length < count) {
      const guest = guests.use(await Guest.start({ memoryMib: MEMORY_MIB, ...OPTIONS[backing] }));
      await using client = await connect(guest.address(1024));
      await client.health.check({});
      pids.push(guest.pids[0] ?? Number.NaN);
    }
    await sleep(SETTLE_MS);
    onMeasured(count, sharesOf(pids));
  }
}

function sharesOf(pids: readonly number[]): Shares {
  const shares = { all: new Samples(), memory: new Samples(), image: new Samples() };
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps`, "utf8");
    const mappings = text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).map((mapping) => ({
      name: mapping.slice(0, mapping.indexOf("\n")),
      pss: Number(/^Pss:\s+(\d+) kB$/m.exec(mapping)?.[1] ?? 0),
    }));
    const sum = (part: string) => mappings.reduce((all, { name, pss }) => all + (name.includes(part) ? pss : 0), 0);
    shares.all.add(sum(""));
    shares.memory.add(sum("memfd:"));
    shares.image.add(sum(imagePaths.image));
  }
  return shares;
}

function mib(kib: number): string {
  return (kib / 1024).toFixed(0);
}

// Prints the host memory that each idle guest of 256 MiB uses, by the number of guests and the device of their image.
const rows = [["image as", "guests", "PSS of each, MiB", "guest's memory", "image", "QEMU"]];
for (const backing of BACKINGS) {
  await sharingRound(backing, COUNTS, (count, { all, memory, image }) => {
    const rest = all.median - memory.median - image.median;
    rows.push([backing, String(count), ...[all.median, memory.median, image.median, rest].map(mib)]);
  });
}
process.stdout.write(textTable(rows));
