import type { FrameType } from "../../../proto/stream-frame.ts";
import type { Files } from "../../kernel/files.ts";

/** Most losses that are reported one by one. */
const MAX_LOSSES = 256;

/** Something that a snapshot of this moment doesn't contain, or that a clone can't use. */
export interface SnapshotLoss {
  readonly kind: "share" | "block-device" | "connection" | "forward" | "copy" | "capture" | "call";
  readonly object: string;
  /** One line. */
  readonly consequence: string;
}

/** A connection and its unanswered calls, as transport knows them. */
export interface HostConnection {
  readonly peer: string;
  readonly protocol: string;
  openCalls(): readonly { readonly method: string }[];
  /** Closes it now. */
  destroy(): void;
}

/** Everything that clients use. */
export interface ClientUse {
  readonly connections: Iterable<HostConnection>;
  /** Connections of guestd.v1.Streams, by what they are for and with what. */
  readonly streams: Iterable<{ readonly kind: FrameType | undefined; readonly object: string }>;
  /** Forwarded connections. */
  readonly forwards: number;
}

const PARENT_ONLY = "stays with this guest; a clone closes it";

/** Lists what a snapshot of this moment would lose. The connection of the Quiesce call isn't listed. */
export function snapshotLosses(files: Pick<Files, "mounts">, use: ClientUse): SnapshotLoss[] {
  const others = [...use.connections].filter((it) => !it.openCalls().some(({ method }) => method === "Quiesce"));
  const calls = [...use.connections].flatMap((it) => it.openCalls().map(({ method }) => ({ method, peer: it.peer })));
  const losses: SnapshotLoss[] = [
    ...mountLosses(files.mounts()),
    ...others.map(
      ({ peer, protocol }): SnapshotLoss => ({
        kind: "connection",
        object: `${peer} ${protocol}`,
        consequence: PARENT_ONLY,
      }),
    ),
    ...[...use.streams].map(
      ({ kind, object }): SnapshotLoss => ({ kind: kindOf(kind), object, consequence: PARENT_ONLY }),
    ),
    ...calls
      .filter(({ method }) => method !== "Quiesce")
      .map(
        ({ method, peer }): SnapshotLoss => ({
          kind: "call",
          object: `${method} of ${peer}`,
          consequence: "is not answered in a clone",
        }),
      ),
  ];
  if (use.forwards > 0) {
    const object = `${use.forwards} forwarded connections`;
    losses.push({ kind: "forward", object, consequence: "stay with this guest; a clone closes them" });
  }
  if (losses.length <= MAX_LOSSES) return losses;
  const rest = losses.length - MAX_LOSSES;
  const more: SnapshotLoss = { kind: "connection", object: `${rest} more`, consequence: "are lost too, of any kind" };
  return [...losses.slice(0, MAX_LOSSES), more];
}

function mountLosses(mounts: string): SnapshotLoss[] {
  return mounts.split("\n").flatMap((line): SnapshotLoss[] => {
    const [source = "", target = "", type = "", options = ""] = line.split(" ");
    if (type === "virtiofs" || type === "9p") {
      const consequence = "is served by the host outside the snapshot, and its device can't be in one; use block roots";
      return [{ kind: "share", object: target, consequence }];
    }
    const isWritable = options.split(",").includes("rw");
    if (!source.startsWith("/dev/") || source.startsWith("/dev/loop") || !isWritable || !DISKS.has(type)) return [];
    const consequence = "is outside the memory; copy the disk at the same moment";
    return [{ kind: "block-device", object: target, consequence }];
  });
}

/** File systems that keep their content on a block device. */
const DISKS: ReadonlySet<string> = new Set(["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat"]);

function kindOf(type: FrameType | undefined): SnapshotLoss["kind"] {
  if (type === "copy" || type === "capture") return type;
  return type === "forward" || type === "forwardJoin" || type === "forwardListen" ? "forward" : "connection";
}
