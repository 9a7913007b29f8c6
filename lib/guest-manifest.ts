/** A file of a guest package. */
export interface GuestFile {
  readonly name: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  /** Size and digest of a compressed file's content. */
  readonly unpacked?: { readonly bytes: number; readonly sha256: string };
}

/** Content of manifest.json in a guest package. */
export interface GuestManifest {
  readonly format: 1;
  readonly version: string;
  /** Node's name for it: "x64". */
  readonly architecture: string;
  readonly files: readonly GuestFile[];
}

/** Names of the files that a guest boots from. */
export const ROOT_IMAGE = "guest.img.br";
export const INITRAMFS = "initramfs.cpio";
