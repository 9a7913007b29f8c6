import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { type LayerEntry, packTar } from "../image/write-layout.ts";
import { inOrder, type PackageFile } from "./package-file.ts";

/** Fields of a Debian package's control file (deb-control(5)); Installed-Size is added. */
export type Control = Readonly<Record<string, string>>;

/** dpkg has read zstd since 1.21.18, that of Debian 12. A higher level takes minutes for a few per cent. */
const LEVEL = 9;

/**
 * Returns a Debian package with files owned by root (deb(5)): an ar archive of a version, and one tar each of control
 * data and files. All times are 0.
 * @param prerm script that dpkg runs before it removes or replaces the files
 */
export async function debPackage(control: Control, files: readonly PackageFile[], prerm?: string): Promise<Buffer> {
  const kib = Math.ceil(files.reduce((sum, { content }) => sum + content.length, 0) / 1024);
  const fields = Object.entries({ ...control, "Installed-Size": String(kib) });
  const text = fields.map(([name, value]) => `${name}: ${value}\n`).join("");
  const digests = inOrder(files).map(
    ({ path, content }) => `${createHash("md5").update(content).digest("hex")}  ${path}\n`,
  );
  const controlTar = await packTar([
    { name: "./control", mode: 0o644, content: text },
    { name: "./md5sums", mode: 0o644, content: digests.join("") },
    ...(prerm === undefined ? [] : [{ name: "./prerm", mode: 0o755, content: prerm }]),
  ]);
  const dataTar = await packTar(withFolders(inOrder(files)));
  const params = { [constants.ZSTD_c_compressionLevel]: LEVEL };
  return arArchive([
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", gzipSync(controlTar)],
    ["data.tar.zst", zstdCompressSync(dataTar, { params })],
  ]);
}

/** Returns the entries of files, each folder before the first file in it. */
function withFolders(files: readonly PackageFile[]): readonly LayerEntry[] {
  const folders = new Set<string>();
  const entries: LayerEntry[] = [];
  const addFolder = (path: string): void => {
    if (path === "." || folders.has(path)) return;
    addFolder(dirname(path));
    folders.add(path);
    entries.push({ name: `./${path}/`, type: "directory", mode: 0o755 });
  };
  for (const { path, mode = 0o644, content } of files) {
    addFolder(dirname(path));
    entries.push({ name: `./${path}`, mode, content });
  }
  return entries;
}

/** Packs members as ar(5) does: a magic, then for each a header of 60 bytes and the content, padded to an even size. */
function arArchive(members: readonly (readonly [name: string, content: Buffer])[]): Buffer {
  const parts = members.flatMap(([name, content]) => {
    const numbers = [
      ["0", 12],
      ["0", 6],
      ["0", 6],
      ["100644", 8],
      [String(content.length), 10],
    ] as const;
    const header = `${name.padEnd(16)}${numbers.map(([text, width]) => text.padEnd(width)).join("")}\`\n`;
    return [Buffer.from(header), content, Buffer.alloc(content.length % 2, "\n")];
  });
  return Buffer.concat([Buffer.from("!<arch>\n"), ...parts]);
}
