import type { HostFolder } from "./host-folder/host-folder.ts";

/** Permissions and limits that the user gives to an MCP server; a client can't widen them. */
export interface McpOptions {
  /** Paths or names of images that a client may choose. The first is the default. */
  readonly images: readonly string[];
  /** Allows the names of all images that registries have. */
  readonly anyImage: boolean;
  /** Allows QEMU's user network. */
  readonly network: boolean;
  readonly folders: readonly HostFolder[];
  /** Agent that gets the containers, with or without limits. Default: each is in a guest of its own. */
  readonly agent?: { readonly address: string; readonly limits: boolean };
  /** Sandboxes at a time. */
  readonly maxSandboxes: number;
  /** MiB of one sandbox. */
  readonly maxMemoryMib: number;
  /** Processors of one sandbox. */
  readonly maxCpus: number;
}
