import { itemSamples, type MetricFamily, type Sample } from "./metric-family.ts";
import { linesOf, type ReadText, tryRead } from "./proc-text.ts";

/** Sizes in bytes, counts of inodes; `available` is what an ordinary user may take. Throws when the path can't be asked. */
export type Statfs = (path: string) => {
  readonly total: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly filesFree: number;
};

/** Types whose statfs answers from memory: a network or FUSE mount could block the agent. */
const types = new Set(["ext4", "xfs", "btrfs", "vfat", "overlay"]);

/** Room on the writable file systems of the guest; a block device that is mounted twice counts once, at its first mount. */
export function guestFilesystem(readText: ReadText, statfs: Statfs): MetricFamily[] {
  const bytes: Sample[] = [];
  const inodes: Sample[] = [];
  for (const { mount, source } of writableMounts(tryRead(readText, "/proc/self/mounts") ?? "")) {
    const labels = { mount, device: source.slice(source.lastIndexOf("/") + 1) };
    try {
      const room = statfs(mount);
      bytes.push(...itemSamples(use(room.total, room.free, room.available), labels));
      inodes.push(...itemSamples(use(room.files, room.filesFree, room.filesFree), labels));
    } catch {
      // Gone since the list was read, or hidden below another mount.
    }
  }
  return [
    {
      name: "kata_guest_filesystem_bytes",
      type: "gauge",
      help: "Size of the guest's file systems, in bytes.",
      samples: bytes,
    },
    {
      name: "kata_guest_filesystem_inodes",
      type: "gauge",
      help: "Inodes of the guest's file systems.",
      samples: inodes,
    },
  ];
}

function use(total: number, free: number, available: number): (readonly [string, number])[] {
  return [
    ["total", total],
    ["used", total - free],
    ["available", available],
  ];
}

function* writableMounts(text: string): Generator<{ mount: string; source: string }> {
  const seen = new Set<string>();
  for (const line of linesOf(text)) {
    const [source = "", mount = "", type = "", options = ""] = line.split(" ").map(unescapeMount);
    if (!types.has(type) || !options.split(",").includes("rw")) continue;
    const key = source.startsWith("/dev/") ? source : mount;
    if (seen.has(key)) continue;
    seen.add(key);
    yield { mount, source };
  }
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
