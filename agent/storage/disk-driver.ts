import { AgentError } from "../kernel/error.ts";
import { quoted } from "../kernel/invalid-argument.ts";
import { type LayerWords, layerWords } from "./layer-words.ts";
import { type FileSystemOptions, makeFileSystem } from "./make-file-system.ts";
import { mountDisk } from "./mount-disk.ts";
import { parseVerity } from "./parse-verity.ts";
import type { DiskKind, Storage, StorageDriver } from "./storage.ts";
import type { VerityTree } from "./verity.ts";
import { mountVerified, verityDevice } from "./verity-disk.ts";

const CREATE = "create_filesystem";
/** For a new sparse file that the host keeps. */
const CREATE_KEPT = `${CREATE}=kept`;

/**
 * Creates the driver for disks that hosts address in this way. It creates a file system on an empty disk if requested,
 * and mounts a disk with hashes through dm-verity.
 */
export function diskDriver(kind: DiskKind): StorageDriver {
  return {
    name: kind,
    disk: kind,
    options: [CREATE],
    async mount(kernel, storage) {
      const { source, mountPoint } = storage;
      const verity = verityOf(storage);
      const plain = { ...storage, options: storage.options.filter((option) => !option.startsWith("X-kata.")) };
      const make = makesFileSystem(storage, verity);
      if (make !== undefined) await makeFileSystem(source, make);
      if (verity === undefined) await mountDisk(kernel, plain);
      else await mountVerified(kernel, verityDevice(mountPoint), verity, plain);
    },
    async release(kernel, storage) {
      if (verityOf(storage) !== undefined) await kernel.sys.unmapDevice(verityDevice(storage.mountPoint));
    },
  };
}

/**
 * Drivers for disks, by how hosts address them: virtio-blk by PCI path or /dev/NAME; virtio-blk without PCI (Firecracker) by
 * /dev/NAME; SCSI by ID:LUN; persistent memory (NVDIMM, virtio-pmem) by /dev/pmemN
 * or the address of its region.
 */
export const diskDrivers: readonly StorageDriver[] = (["blk", "mmioblk", "scsi", "nvdimm"] as const).map(diskDriver);

function verityOf({ driver, options }: Storage): VerityTree | undefined {
  const words = layerWords(options);
  const layered = namesOf(words).find((name) => !name.startsWith("dmverity"));
  if (layered === undefined) return parseVerity(words);
  const why = `option "X-kata.${layered}" is for layers (X-kata.multi-layer=true)`;
  throw new AgentError("unimplemented", `${driver} storage: ${why}`);
}

function namesOf({ flags, values, directories }: LayerWords): string[] {
  return [...flags, ...values.keys(), ...directories.map(() => "mkdir.path")];
}

function makesFileSystem(
  { driver, driverOptions, fstype }: Storage,
  verity: VerityTree | undefined,
): FileSystemOptions | undefined {
  const refuse = (why: string) => new AgentError("unimplemented", `${driver} storage: ${why}`);
  const [create, ...more] = driverOptions;
  if (create === undefined) return undefined;
  const isKnown = create === CREATE || create === CREATE_KEPT;
  if (!isKnown || more.length > 0) throw refuse(`driver option ${CREATE} can't be combined with others`);
  if (verity !== undefined) throw refuse("can't create a file system with dm-verity");
  if (fstype !== "ext4") throw refuse(`can't create a file system of type ${quoted(fstype)}, only ext4`);
  return { isKept: create === CREATE_KEPT };
}
