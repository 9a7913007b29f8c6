import { itemSamples, type MetricFamily, type Sample } from "./metric-family.ts";
import { linesOf, type ReadText, tryRead } from "./proc-text.ts";

/** Sizes in bytes and inode counts. `available` is what unprivileged users may use. */
interface Room {
  readonly total: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly filesFree: number;
}

/**
 * Rejects if statfs fails. May never settle: a file system that hangs may be mounted over the path or be a layer of an
 * overlay.
 */
export type Statfs = (path: string) => Promise<Room>;

/** File system types whose statfs usually answers from memory. */
const types = new Set(["ext4", "xfs", "btrfs", "vfat", "overlay"]);

/** Time limit of one scrape, ms. File systems that have not answered by then are left out. */
const PATIENCE_MS = 200;

/** Queries free space on the guest's file systems without waiting for one that hangs. */
export class GuestFilesystems {
  readonly #statfs: Statfs;
  readonly #patienceMs: number;
  /** Answers of mount points that are being queried, which all scrapes share; undefined from the time limit on. */
  readonly #asked = new Map<string, Promise<Room | undefined>>();

  constructor(statfs: Statfs, patienceMs = PATIENCE_MS) {
    this.#statfs = statfs;
    this.#patienceMs = patienceMs;
  }

  /** Metrics of writable file systems. A block device that is mounted twice counts once, at its first mount. */
  async families(readText: ReadText): Promise<MetricFamily[]> {
    const mounts = [...writableMounts(tryRead(readText, "/proc/self/mounts") ?? "")];
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(resolve, this.#patienceMs, undefined);
    const rooms = await Promise.all(mounts.map(({ mount }) => this.#asked.get(mount) ?? this.#ask(mount, late)));
    clearTimeout(timer);
    return toFamilies(
      mounts.flatMap((mount, index) => (rooms[index] === undefined ? [] : { mount, room: rooms[index] })),
    );
  }

  /** Undefined if the mount does not answer in time. */
  #ask(mount: string, late: Promise<undefined>): Promise<Room | undefined> {
    const answer = Promise.race([this.#query(mount), late]);
    this.#asked.set(mount, answer);
    return answer;
  }

  /** Undefined if the mount is gone. */
  async #query(mount: string): Promise<Room | undefined> {
    try {
      return await this.#statfs(mount);
    } catch {
      return undefined;
    } finally {
      this.#asked.delete(mount);
    }
  }
}

function toFamilies(answers: readonly { readonly mount: Mount; readonly room: Room }[]): MetricFamily[] {
  const bytes: Sample[] = [];
  const inodes: Sample[] = [];
  for (const { mount, room } of answers) {
    const labels = { mount: mount.mount, device: mount.source.slice(mount.source.lastIndexOf("/") + 1) };
    bytes.push(...itemSamples(use(room.total, room.free, room.available), labels));
    inodes.push(...itemSamples(use(room.files, room.filesFree, room.filesFree), labels));
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

interface Mount {
  readonly mount: string;
  readonly source: string;
}

function* writableMounts(text: string): Generator<Mount> {
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

/** Decodes the three octal digits with which the kernel writes space, tab, newline and backslash. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
