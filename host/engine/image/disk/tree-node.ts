import type { EntryMeta } from "../../../../image/entry-meta.ts";

interface Described {
  meta: EntryMeta;
  /** Number of the layer that created it or something below it; whiteouts of that layer leave it alone. */
  layer: number;
}

export interface DirectoryNode extends Described {
  readonly kind: "directory";
  readonly children: Map<string, TreeNode>;
}

/** A file; its content is already on the disk. */
interface FileNode extends Described {
  readonly kind: "file";
  /** Number of the content's first block. */
  readonly block: number;
  /** Bytes of the content. */
  readonly size: number;
}

interface SymlinkNode extends Described {
  readonly kind: "symlink";
  readonly target: string;
}

interface DeviceNode extends Described {
  readonly kind: "p" | "c" | "b";
  readonly major: number;
  readonly minor: number;
}

/** An entry of the tree; hard links are one node in several places. */
export type TreeNode = DirectoryNode | FileNode | SymlinkNode | DeviceNode;
