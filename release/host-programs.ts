import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheDirectory } from "../host/vm/paths.ts";
import { BuildError } from "../rootfs-builder/build-error.ts";
import { elfSections } from "../rootfs-builder/debian/elf.ts";
import type { Source } from "../rootfs-builder/manifest/manifest.ts";
import { type LinkedLibrary, mergeSources, staticSources } from "../rootfs-builder/manifest/sources.ts";
import { type CargoMetadata, type Crate, crateSource, cratesOf } from "./crates.ts";
import { licenceTexts, noticesOf } from "./notices.ts";
import type { PackageFile } from "./package-file.ts";

const PROGRAMS = ["vhost-device-vsock", "virtiofsd"];
const LIBRARIES: readonly LinkedLibrary[] = [
  ["libc6-dev", "glibc", PROGRAMS],
  ["libcap-ng-dev", "libcap-ng", ["virtiofsd"]],
  ["libseccomp-dev", "libseccomp", ["virtiofsd"]],
];

/** Programs in machine code that the host's side runs beside QEMU, and what they contain. */
export interface HostPrograms {
  readonly files: readonly PackageFile[];
  readonly sources: readonly Source[];
  /** Licences of all that they contain. */
  readonly notices: string;
}

/** Reads the programs that host/setup/crates.sh built in `tools`. Throws BuildError if one isn't there, or not static. */
export async function hostPrograms(tools = join(cacheDirectory(), "tools")): Promise<HostPrograms> {
  const files: PackageFile[] = [];
  const crates: Source[] = [];
  const parts = new Map<string, { title: string; texts: readonly string[] }>();
  for (const program of PROGRAMS) {
    files.push(await staticProgram(program, join(tools, "bin", program)));
    const metadata: CargoMetadata = JSON.parse(await readFile(join(tools, `${program}.json`), "utf8"));
    for (const crate of cratesOf(metadata)) {
      crates.push(crateSource(crate, program));
      const title = `${crate.name} ${crate.version} (${crate.license})`;
      parts.set(title, { title, texts: licencesOf(crate, tools) });
    }
  }
  for (const [debian, name] of LIBRARIES) {
    parts.set(name, {
      title: `${name} (Debian's ${debian})`,
      texts: [await readFile(`/usr/share/doc/${debian}/copyright`, "utf8")],
    });
  }
  const sources = mergeSources([...crates, ...(await staticSources(LIBRARIES))]);
  return { files, sources, notices: noticesOf([...parts.values()]) };
}

function licencesOf({ manifest_path }: Crate, tools: string): readonly string[] {
  const folder = dirname(manifest_path);
  if (existsSync(folder)) return licenceTexts(folder);
  throw new BuildError(
    `${folder}: the crate's sources are gone; remove ${tools}, and sh host/setup/setup.sh release gets them`,
  );
}

async function staticProgram(name: string, path: string): Promise<PackageFile> {
  const content = await readFile(path).catch(() => undefined);
  if (content === undefined)
    throw new BuildError(`${path}: there is no such program; sh host/setup/setup.sh release builds it`);
  if (elfSections(content, path).some((section) => section.name === ".interp")) {
    throw new BuildError(`${path}: not linked statically; remove it, and sh host/setup/setup.sh release builds it`);
  }
  return { path: name, mode: 0o755, content };
}
