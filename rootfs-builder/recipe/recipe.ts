import type { RuntimeName } from "../image/runtimes.ts";
import type { ProfileName } from "../profiles/profiles.ts";

/** What an image is made of, as its file says; relative paths are made absolute from the file's folder. */
export interface Recipe {
  /** Absolute path of the recipe's file. */
  readonly file: string;
  readonly name: string;
  /** What starts the guest, which is made whole for it; none if not given. */
  readonly profile?: ProfileName;
  /** What the root is packed in, each once. */
  readonly outputs: readonly string[];
  /** With init, Node, the agent and what they need. */
  readonly agent: boolean;
  /** `uname -r` of the kernel; the newest of the cache if not given. */
  readonly kernelRelease?: string;
  /** One's own kernel for the profile, and the folder of its modules; absolute. */
  readonly vmlinux?: string;
  readonly modules?: string;
  /** The guest of the profile as an OCI layout too. */
  readonly artifact: boolean;
  readonly debug: boolean;
  readonly policy: boolean;
  readonly verity: boolean;
  readonly daxHeader: boolean;
  /** Modules of Debian's kernel keep their signatures. */
  readonly signedModules: boolean;
  readonly runtimes: readonly RuntimeName[];
  /** Takes set-id bits and capabilities from files of the sources; without it, a root with the agent may have none. */
  readonly dropPrivileges: boolean;
  /** In the order of merging. */
  readonly sources: readonly Source[];
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `path`: on this machine, absolute. `to`: in the image, without slashes around it; "" is its root. */
export type Source =
  | { readonly kind: "image"; readonly path: string; readonly imageName?: string; readonly to: string }
  | { readonly kind: "tar"; readonly path: string; readonly to: string }
  | { readonly kind: "packages"; readonly names: readonly string[]; readonly to: string }
  | { readonly kind: "folder"; readonly path: string; readonly to: string; readonly owner: Owner }
  | FileSource;

export interface FileSource {
  readonly kind: "file";
  readonly path: string;
  readonly to: string;
  /** By whether its owner may run it, if not given. */
  readonly mode?: number;
  readonly owner: Owner;
}
