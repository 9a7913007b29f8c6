import { digestOf } from "../digest.ts";
import type { Layer } from "../read-image.ts";
import { type LayerEntry, packTar } from "../write-layout.ts";

/** Owner of entries: the agent, which a guest runs as root, sets owners, and only root may set another user's. */
const OWNER = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** Returns a layer of these entries. Its digest isn't checked. */
export async function layerOf(entries: readonly LayerEntry[]): Promise<Layer> {
  return layerOfBytes(await packTar(entries));
}

/** Returns a layer from a whole or damaged tar, in chunks that don't match its blocks. */
export function layerOfBytes(tar: Buffer): Layer {
  return {
    diffId: digestOf(tar),
    size: tar.length,
    async *open() {
      for (let at = 0; at < tar.length; at += 1000) yield tar.subarray(at, at + 1000);
    },
  };
}

export function file(name: string, content = "", mode = 0o644): LayerEntry {
  return { ...OWNER, name, content, mode };
}

export function directory(name: string, mode = 0o755): LayerEntry {
  return { ...OWNER, name, type: "directory", mode };
}

export function symlink(name: string, linkname: string): LayerEntry {
  return { ...OWNER, name, type: "symlink", linkname, mode: 0o777 };
}

export function hardLink(name: string, linkname: string): LayerEntry {
  return { name, type: "link", linkname };
}

/** Returns a tar entry with another type letter and no end-of-archive mark, to put before other entries. */
export async function headerOf(type: string, content: Buffer): Promise<Buffer> {
  const tar = await packTar([{ name: "header", content, mode: 0o644 }]);
  tar.write(type, 156, "latin1");
  tar.fill(" ", 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return tar.subarray(0, tar.length - 1024);
}

/** Returns a pax record for an extended attribute; key and value can be any bytes. */
export function xattrRecord(key: string | Uint8Array, value: Uint8Array): Buffer {
  const rest = Buffer.concat([
    Buffer.from(" SCHILY.xattr."),
    Buffer.from(key),
    Buffer.from("="),
    value,
    Buffer.from("\n"),
  ]);
  const digits = [1, 2, 3, 4, 5].find((count) => String(rest.length + count).length === count) ?? 0;
  return Buffer.concat([Buffer.from(String(rest.length + digits)), rest]);
}
