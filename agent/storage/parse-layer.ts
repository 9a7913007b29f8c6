import { quoted } from "../kernel/invalid-argument.ts";
import { type Layer, type LayerDirectory, MULTI_LAYER } from "./layer.ts";
import { invalidStorage, type LayerWords, layerWords, numberOf, unsupported } from "./layer-words.ts";
import { parseVerity } from "./parse-verity.ts";
import type { DiskKind, Storage } from "./storage.ts";

const DISKS: readonly DiskKind[] = ["blk", "mmioblk", "scsi", "nvdimm"];
const CREATE = "create_filesystem";
/** Most partitions in a usual GPT. No host creates more. */
const MAX_PARTITION = 128;
const MAX_ID = 0xffff_fffe;

/** Parses the X-kata. options of a storage. Throws for an unknown, repeated or contradictory option. */
export function parseLayer(storage: Storage): Layer {
  const { source, driverOptions, fsGroup } = storage;
  const words = layerWords(storage.options);
  const role = roleOf(storage, words);
  const disk = DISKS.find((kind) => kind === storage.driver) ?? "blk";
  if (disk !== storage.driver && storage.driver !== MULTI_LAYER) {
    throw invalidStorage(`driver "${storage.driver.slice(0, 40)}" can't have layers, use ${DISKS.join(", ")}`);
  }
  const option = driverOptions.find((one) => one !== CREATE);
  if (option !== undefined) throw unsupported(`driver option "${option.slice(0, 100)}" is not supported`);
  if (fsGroup !== undefined) throw unsupported("fs_group of a layer is not supported");
  const partition = partitionOf(words);
  const verity = parseVerity(words);
  const make = makeOf(storage, words);
  if (role === "lower" && (make !== undefined || words.directories.length > 0)) {
    throw invalidStorage("nothing can be created on a lower layer");
  }
  if (make !== undefined && verity !== undefined) throw invalidStorage("can't create a file system with dm-verity");
  const fstype = make === undefined ? storage.fstype : "ext4";
  if (fstype === "") throw invalidStorage(`the ${role} layer of ${storage.mountPoint} has no fstype`);
  return {
    ...{ role, disk, source, fstype },
    partition,
    verity,
    make,
    options: storage.options.filter((word) => !word.startsWith("X-kata.") && word !== "loop"),
    directories: words.directories.map(parseDirectory),
  };
}

function roleOf({ fstype, mountPoint }: Storage, { flags }: LayerWords): Layer["role"] {
  const [upper, lower] = [flags.has("overlay-upper"), flags.has("overlay-lower")];
  if (upper && lower) throw invalidStorage(`a layer of ${mountPoint} can't be both upper and lower`);
  if (upper || lower) return upper ? "upper" : "lower";
  if (fstype === "erofs") return "lower";
  if (fstype === "ext4" || flags.has("mkfs")) return "upper";
  throw invalidStorage(`a layer of ${mountPoint} must be either upper or lower`);
}

function partitionOf({ flags, values }: LayerWords): number | undefined {
  const text = values.get("partition-number");
  if ((text !== undefined) !== flags.has("gpt-partitioned")) {
    throw invalidStorage(`X-kata.gpt-partitioned=true and X-kata.partition-number= need each other`);
  }
  return text === undefined ? undefined : numberOf("partition-number", text, 1, MAX_PARTITION);
}

function makeOf({ fstype, driverOptions }: Storage, { flags, values }: LayerWords): Layer["make"] {
  const wanted = flags.has("mkfs") || fstype.startsWith("mkfs/") || driverOptions.includes(CREATE);
  if (!wanted) {
    if ([...values.keys()].some((name) => name.startsWith("mkfs.")))
      throw invalidStorage(`X-kata.mkfs. options need X-kata.mkfs=true`);
    return undefined;
  }
  const type = values.get("mkfs.fs") ?? (fstype.replace(/^mkfs\//, "") || "ext4");
  if (type !== "ext4") throw unsupported(`can't create a file system of type ${quoted(type, 40)}, only ext4`);
  const uuid = values.get("mkfs.uuid");
  if (uuid !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) {
    throw invalidStorage(`X-kata.mkfs.uuid=${quoted(uuid, 60)} is not a UUID`);
  }
  return { uuid };
}

/** Parses PATH[:MODE[:UID:GID]]. The upper layer is `{{ mount 0 }}`. */
function parseDirectory(text: string): LayerDirectory {
  const wrong = (why: string) => invalidStorage(`X-kata.mkdir.path=${quoted(text, 200)} ${why}`);
  const [path = "", mode = "0755", uid = "0", gid = "0", ...more] = text.split(":");
  const below = path.replace(/^\{\{ *mount 0 *\}\}(?=\/|$)/, "");
  if (below.includes("{{")) throw wrong("is not on the upper layer, {{ mount 0 }}");
  const names = below.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0 || names.includes("..") || below.includes("\0") || Buffer.byteLength(below) > 1024) {
    throw wrong("is not a path on the upper layer");
  }
  if (more.length > 0 || !/^[0-7]{3,4}$/.test(mode)) throw wrong("is not PATH:MODE:UID:GID");
  const [owner, group] = [uid, gid].map((id) => numberOf("mkdir.path", id, 0, MAX_ID));
  return { names, mode: Number.parseInt(mode, 8), uid: owner ?? 0, gid: group ?? 0 };
}
