import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../lib/package-root.ts";
import { reason } from "../lib/reason.ts";
import { debianArchitecture } from "../rootfs-builder/debian/architecture.ts";
import { sha256Of } from "../rootfs-builder/digest.ts";
import { readVersion } from "../rootfs-builder/read-version.ts";
import { conformancePackage } from "./conformance-package.ts";
import { debPackage } from "./deb.ts";
import { guestPackageFiles } from "./guest-package.ts";
import { type BuiltPackage, guestdPackage } from "./guestd-package.ts";
import { hostDeb } from "./host-deb.ts";
import { hostPrograms } from "./host-programs.ts";
import { npmTarball } from "./npm-tarball.ts";
import { sizes, sizeTable } from "./package-sizes.ts";
import { releaseSbom } from "./release-sbom.ts";

const USAGE = `npm run release -- [--to DIR]

Build the packages that people install into DIR (build/release): npm tarballs, a .deb, SHA256SUMS and an SBOM. The guest
is this machine's. Equal checkouts and compilers give equal bytes.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { to: { type: "string" }, help: { type: "boolean", short: "h", default: false } },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const root = packageRoot();
  const to = resolve(values.to ?? join(root, "build/release"));
  const version = await readVersion(root);
  const [guestd, guest] = [
    await guestdPackage(root, version),
    await guestPackageFiles(root, version, await hostPrograms()),
  ];
  const packages = [guestd, guest, await conformancePackage(root, version)];
  const complete = await guestdPackage(root, version, { mcp: true });
  const deb = await hostDeb(root, version, [complete, guest]);
  const outputs = new Map<string, Buffer>();
  for (const { name, files } of packages) outputs.set(`${name}-${version}.tgz`, await npmTarball(files));
  const debName = `guestd_${version}_${debianArchitecture()}.deb`;
  outputs.set(debName, await debPackage(deb.control, deb.files, deb.prerm));
  outputs.set(
    `guestd-${version}.cdx.json`,
    await sbom(root, version, [...packages, { ...complete, name: debName, files: [] }]),
  );
  outputs.set("SHA256SUMS", Buffer.from(sums(outputs)));
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const [name, content] of outputs) await writeFile(join(to, name), content);
  const rows = packages.map(({ name, files }) => sizes(name, outputs.get(`${name}-${version}.tgz`), files));
  process.stdout.write(sizeTable([...rows, sizes(debName, outputs.get(debName), deb.files)]));
}

async function sbom(root: string, version: string, packages: readonly BuiltPackage[]): Promise<Buffer> {
  return Buffer.from(`${JSON.stringify(await releaseSbom(root, version, packages), undefined, 1)}\n`);
}

/** Returns the digests as sha256sum prints them. */
function sums(outputs: ReadonlyMap<string, Buffer>): string {
  return Array.from(outputs, ([name, content]) => `${sha256Of(content)}  ${name}\n`).join("");
}

try {
  await main();
} catch (error) {
  process.stderr.write(`release: ${reason(error)}\n`);
  process.exitCode = 1;
}
