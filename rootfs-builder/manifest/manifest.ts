import type { Licence } from "../debian/copyright.ts";

/** Origin of something in an image. */
export interface Source {
  /** "deb:libc6", "npm:yaml@2.9.1", "node", "guestd" … */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly licences: readonly Licence[];
  readonly purl: string;
  /** Algorithm in CycloneDX's terms, digest in hexadecimal. */
  readonly hash?: { readonly alg: "SHA-256" | "SHA-512"; readonly content: string };
  /** Debian's source package with its version. */
  readonly madeFrom?: string;
  /** Paths and ids of the files or sources that contain this one, if it has no files of its own. */
  readonly within?: readonly string[];
  /** Size in those files, if known. */
  readonly bytes?: number;
}

export interface ManifestFile {
  readonly path: string;
  readonly type: "directory" | "file" | "symlink";
  /** Octal; absent for a link. */
  readonly mode?: string | undefined;
  /** "uid:gid"; absent for root's. */
  readonly owner?: string | undefined;
  readonly size?: number | undefined;
  readonly sha256?: string | undefined;
  readonly target?: string | undefined;
  /** Part of guestd that the file belongs to, or "recipe". */
  readonly part: string;
  /** Id of its source. */
  readonly from?: string | undefined;
  /** Paths of the files that are linked with it. */
  readonly linkedBy?: readonly string[] | undefined;
}

/** The contents of a built root and the reason for each. Written beside the outputs as manifest.json. */
export interface Manifest {
  readonly format: 1;
  /** guestd's version. */
  readonly version: string;
  readonly sources: readonly Source[];
  readonly files: readonly ManifestFile[];
  /**
   * Our own kernels and initramfs, if any, as files below an output's name, "vmlinuz" or "initrd.cpio:init". If a build
   * has several, their folder comes first: "qemu/vmlinuz".
   */
  readonly boot: readonly ManifestFile[];
}

export const MANIFEST = "manifest.json";
export const SBOM = "sbom.cdx.json";
