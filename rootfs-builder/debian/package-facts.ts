import { mkdir, readFile } from "node:fs/promises";
import { cacheDirectory } from "../cache-directory.ts";
import { sha256Of } from "../digest.ts";
import { exists } from "../exists.ts";
import { trimModule } from "../initramfs/trim-module.ts";
import { run } from "../run.ts";
import { mergeTars } from "../tree/merge.ts";
import { writeJson } from "../write-files.ts";
import { type Licence, licencesOf } from "./copyright.ts";
import { type DebianPackage, fileSystemTar, merged } from "./debian-package.ts";
import { stanzas } from "./stanzas.ts";

export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The source package, and its version. */
  readonly source: string;
  readonly sourceVersion: string;
  readonly licences: readonly Licence[];
  /** SHA-256 of the .deb. */
  readonly sha256: string;
  /** Path in an image with merged /usr → SHA-256. */
  readonly files: Readonly<Record<string, string>>;
  /** SHA-256 of its kernel modules after `trimModule`. */
  readonly trimmed: readonly string[];
}

/** Folder in the cache; its name changes with the stored format. */
const FOLDER = "facts-3";

/** Returns a .deb's control fields and contents; cached. */
export async function packageFacts({ name, file }: DebianPackage, sha256: string): Promise<PackageFacts> {
  const cached = cacheDirectory(FOLDER, `${sha256}.json`);
  if (await exists(cached)) return JSON.parse(await readFile(cached, "utf8"));
  const [fields = new Map<string, string>()] = stanzas((await run("dpkg-deb", ["--field", file])).toString());
  const version = fields.get("Version") ?? "";
  const [, source = name, sourceVersion = version] = /^(\S+)(?: \((.*)\))?$/.exec(fields.get("Source") ?? name) ?? [];
  const tree = await mergeTars([{ name, stream: fileSystemTar(file), place: merged }]);
  const copyright = tree.get(`usr/share/doc/${name}/copyright`);
  const files = [...tree].flatMap(([path, entry]) => (entry.type === "file" ? [[path, sha256Of(entry.content)]] : []));
  const trimmed = [...tree].flatMap(([path, entry]) =>
    entry.type === "file" && path.endsWith(".ko") ? [sha256Of(trimModule(entry.content, path))] : [],
  );
  const facts: PackageFacts = {
    ...{ name, version, architecture: fields.get("Architecture") ?? "", source, sourceVersion },
    licences: copyright?.type === "file" ? licencesOf(copyright.content.toString()) : [],
    sha256,
    files: Object.fromEntries(files),
    trimmed,
  };
  await mkdir(cacheDirectory(FOLDER), { recursive: true });
  await writeJson(cached, facts);
  return facts;
}
