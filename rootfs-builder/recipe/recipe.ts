import type { RuntimeName } from "../image/runtimes.ts";
import type { ProfileName } from "../profiles/profiles.ts";

/** A recipe as its file defines it; relative paths are made absolute from the file's folder. */
export interface Recipe {
  /** Absolute path of the recipe file. */
  readonly file: string;
  readonly name: string;
  /** Profile of the VMM that the guest is made for, if any. */
  readonly profile?: ProfileName | undefined;
  /** Outputs to pack the root in, each once. */
  readonly outputs: readonly string[];
  /** Includes init, Node, the agent and their dependencies. */
  readonly agent: boolean;
  /** `uname -r` of the kernel; by default, the newest in the cache. */
  readonly kernelRelease?: string | undefined;
  /** Custom kernel for the profile, and the folder of its modules; absolute paths. */
  readonly vmlinux?: string | undefined;
  readonly modules?: string | undefined;
  /** Also writes the profile's guest as an OCI layout. */
  readonly artifact: boolean;
  readonly debug: boolean;
  readonly policy: boolean;
  readonly verity: boolean;
  readonly daxHeader: boolean;
  /** Keeps the signatures of Debian's kernel modules. */
  readonly signedModules: boolean;
  readonly runtimes: readonly RuntimeName[];
  /**
   * Removes set-id bits and capabilities from the sources' files; otherwise a root with the agent is refused if it has
   * any.
   */
  readonly dropPrivileges: boolean;
  /** Sources in merge order. */
  readonly sources: readonly Source[];
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `path` is absolute on this machine. `to` is in the image, without leading or trailing slashes; "" is its root. */
export type Source =
  | { readonly kind: "image"; readonly path: string; readonly imageName?: string | undefined; readonly to: string }
  | { readonly kind: "tar"; readonly path: string; readonly to: string }
  | { readonly kind: "packages"; readonly names: readonly string[]; readonly to: string }
  | { readonly kind: "folder"; readonly path: string; readonly to: string; readonly owner: Owner }
  | FileSource;

export interface FileSource {
  readonly kind: "file";
  readonly path: string;
  readonly to: string;
  /** Defaults to a mode that depends on the owner's execute bit. */
  readonly mode?: number;
  readonly owner: Owner;
}
