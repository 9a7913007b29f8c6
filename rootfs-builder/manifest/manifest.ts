import type { Licence } from "../debian/copyright.ts";

/** Where something in an image comes from. */
export interface Source {
  /** "deb:libc6", "npm:yaml@2.9.1", "node", "guestd" … */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly licences: readonly Licence[];
  readonly purl: string;
  /** Algorithm as CycloneDX names it, digest in hexadecimal. */
  readonly hash?: { readonly alg: "SHA-256" | "SHA-512"; readonly content: string };
  /** Of Debian: the source package with its version. */
  readonly madeFrom?: string;
  /** The files or sources that it is a part of, where no file is its own: paths and ids. */
  readonly within?: readonly string[];
  /** Of those files, as far as it is known. */
  readonly bytes?: number;
}

export interface ManifestFile {
  readonly path: string;
  readonly type: "directory" | "file" | "symlink";
  /** Octal; a link has none. */
  readonly mode?: string;
  /** "uid:gid"; root's when left out. */
  readonly owner?: string;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  /** Name of the part of guestd that it is, or "recipe". */
  readonly part: string;
  /** Id of its source. */
  readonly from?: string;
  /** Paths of the files that are linked with it. */
  readonly linkedBy?: readonly string[];
}

/** What a build put into a root, and why. It lies beside the outputs: manifest.json. */
export interface Manifest {
  readonly format: 1;
  /** guestd's own. */
  readonly version: string;
  readonly sources: readonly Source[];
  readonly files: readonly ManifestFile[];
  /**
   * Kernels and initramfs of our own, if there are: files below a name of the output, "vmlinuz" or "initrd.cpio:init"; with
   * the folder in front, "qemu/vmlinuz", where a build has several.
   */
  readonly boot: readonly ManifestFile[];
}

export const MANIFEST = "manifest.json";
export const SBOM = "sbom.cdx.json";
