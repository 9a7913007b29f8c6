import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { makeBusyboxImage } from "../host/engine/image/make-image.ts";
import { type GuestFile, type GuestManifest, INITRAMFS, ROOT_IMAGE } from "../lib/guest-manifest.ts";
import { guestPackageName } from "../lib/guest-package.ts";
import { sha256Of } from "../rootfs-builder/digest.ts";
import { buildInitramfs } from "../rootfs-builder/initramfs/initramfs.ts";
import { cyclonedx } from "../rootfs-builder/manifest/cyclonedx.ts";
import type { Manifest } from "../rootfs-builder/manifest/manifest.ts";
import { mergeSources } from "../rootfs-builder/manifest/sources.ts";
import { withTemporary } from "../rootfs-builder/with-temporary.ts";
import { busyboxSource } from "./busybox-source.ts";
import { type BuiltPackage, COMMON } from "./guestd-package.ts";
import type { HostPrograms } from "./host-programs.ts";
import { jsonFile, type PackageFile, textFile } from "./package-file.ts";
import { describeFile } from "./release-sbom.ts";

const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = constants;

/** Quality 6 takes seconds; 9 takes a minute and saves 3 %. */
const QUALITY = 6;
const LARGEST_WINDOW = 24;

/**
 * Builds the package with this machine's guest from the checkout's build: everything that a guest boots from except the
 * kernel, and what the host's side needs in machine code, with `programs`. `image` is the root image.
 */
export async function guestPackageFiles(
  root: string,
  version: string,
  programs: HostPrograms,
  image = join(root, "build/image/guest.img"),
): Promise<BuiltPackage> {
  const name = guestPackageName();
  const native = async (file: string, mode = 0o644): Promise<PackageFile> => {
    return { path: file, mode, content: await readFile(join(root, "build/native", file)) };
  };
  const init = await native("init", 0o755);
  const content = await readFile(image);
  const packed = { path: ROOT_IMAGE, content: await compress(content) };
  const parts = [
    packed,
    init,
    { path: INITRAMFS, content: buildInitramfs({ init: init.content, modules: [] }) },
    await native("sys.node"),
    await native("seccomp.node"),
    await native("monitor", 0o755),
    { path: "busybox.tar", content: await busyboxImage(root) },
    ...programs.files,
  ];
  const unpacked = { bytes: content.length, sha256: sha256Of(content) };
  const manifest: GuestManifest = {
    format: 1,
    version,
    architecture: process.arch,
    files: parts.map((part) => ({ ...describe(part), ...(part === packed ? { unpacked } : {}) })),
  };
  const files = [
    ...parts,
    jsonFile("manifest.json", manifest),
    jsonFile("sbom.cdx.json", await guestSbom(root, programs)),
    textFile("THIRD-PARTY-NOTICES.txt", programs.notices),
    { path: "LICENSE", content: await readFile(join(root, "LICENSE")) },
    textFile("README.md", README),
    guestDescription(version),
  ];
  return { name, files, parts: [] };
}

/** Returns package.json. It has no dependencies, and npm installs it only on the architecture. */
export function guestDescription(version: string, architecture: string = process.arch): PackageFile {
  return jsonFile("package.json", {
    name: guestPackageName(architecture),
    version,
    description: `The guest that guestd boots on Linux, ${architecture}`,
    ...COMMON,
    cpu: [architecture],
  });
}

const README = `# The guest that guestd boots

An optional dependency of [guestd](https://www.npmjs.com/package/guestd), which finds and unpacks these files. manifest.json
has their digests. There is no kernel in it: \`guestctl setup\` fetches one.

guest.img.br and busybox.tar contain programs of Debian 12, unchanged, under their own licences: sbom.cdx.json names each with
its licence, version and source package, which Debian publishes (https://snapshot.debian.org). virtiofsd and
vhost-device-vsock run beside QEMU. They are crates of crates.io, unchanged, linked statically with Debian's glibc,
libcap-ng and libseccomp: the SBOM names each crate within, and THIRD-PARTY-NOTICES.txt has their licences. To build them
with other versions of these libraries, see host/setup/crates.sh in guestd's sources.
`;

function compress(content: Buffer): Promise<Buffer> {
  const params = {
    [BROTLI_PARAM_QUALITY]: QUALITY,
    [BROTLI_PARAM_LGWIN]: LARGEST_WINDOW,
    [BROTLI_PARAM_SIZE_HINT]: content.length,
  };
  return promisify(brotliCompress)(content, { params });
}

function describe({ path, content }: PackageFile): GuestFile {
  return { name: path, bytes: content.length, sha256: sha256Of(content) };
}

function busyboxImage(root: string): Promise<Buffer> {
  return withTemporary(join(root, "build/release"), async (work) => {
    await makeBusyboxImage(join(work, "busybox.tar"));
    return readFile(join(work, "busybox.tar"));
  });
}

/** Returns the SBOM of the build without the kernel, which isn't in the package, and with busybox and the host's programs. */
async function guestSbom(root: string, programs: HostPrograms): Promise<object> {
  const manifest: Manifest = JSON.parse(await readFile(join(root, "build/manifest.json"), "utf8"));
  const isKernel = (id = "") => id.startsWith("deb:linux-image-");
  const shipped = manifest.sources.filter(({ id }) => !isKernel(id));
  const boot = manifest.boot.filter(({ path }) => path === "initrd.cpio:init");
  const crateOf = (program: string) => programs.sources.find(({ id }) => id.startsWith(`cargo:${program}@`));
  const own = programs.files.map((file) => ({ ...describeFile("host", file), from: crateOf(file.path)?.id ?? "" }));
  const files = [...manifest.files, ...own];
  return cyclonedx({
    ...manifest,
    sources: mergeSources([...shipped, await busyboxSource(), ...programs.sources]),
    files,
    boot,
  });
}
