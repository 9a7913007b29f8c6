import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { debianArchitecture } from "../rootfs-builder/debian/architecture.ts";
import { hashFile } from "../rootfs-builder/digest.ts";
import { packagedNode, strippedNode } from "../rootfs-builder/image/stripped-node.ts";
import type { Control } from "./deb.ts";
import { debCompletions, debManualPage, isManualPage } from "./deb-manual.ts";
import type { BuiltPackage } from "./guestd-package.ts";
import { startProgram } from "./launcher.ts";
import type { PackageFile } from "./package-file.ts";

const HOME = "usr/lib/guestd";

/**
 * Returns the Debian package of the host: guestctl with the npm packages, a Node of its own, since Debian 12 has an older
 * one, manual pages and completions, and the agent with its unit for service mode, which is disabled.
 */
export async function hostDeb(
  root: string,
  version: string,
  packages: readonly BuiltPackage[],
): Promise<{ readonly control: Control; readonly files: readonly PackageFile[]; readonly prerm: string }> {
  const node = packagedNode();
  const read = async (path: string, target: string, mode = 0o644): Promise<PackageFile> => {
    return { path: target, mode, content: await readFile(path) };
  };
  const agent = ["agent.cjs", "grpc.cjs", "tar.cjs", "yaml.cjs", "agent.cache", "grpc.cache"];
  const native = ["sys.node", "seccomp.node"].map((name) => join(root, "build/native", name));
  const launcher = ["launcher.cjs", "choose-bundle.cjs"].map((name) => join(root, "rootfs-builder/bundle", name));
  const plain = [...agent.map((name) => join(root, "build/agent", name)), ...native, ...launcher];
  const files = [
    ...packages.flatMap(({ name, files: own }) =>
      own.map((file) => (isManualPage(file) ? debManualPage(file) : installed(`${HOME}/node_modules/${name}`, file))),
    ),
    ...debCompletions(),
    guestctl("usr/bin/guestctl"),
    await read(await strippedNode(node, await hashFile(node)), `${HOME}/bin/node`, 0o755),
    await read(join(root, "build/native/init"), `${HOME}/init`, 0o755),
    await read(join(root, "build/native/container-init"), `${HOME}/container-init`, 0o755),
    ...(await Promise.all(plain.map((path) => read(path, `${HOME}/${basename(path)}`)))),
    await read(join(root, "release/systemd/guestd.service"), "usr/lib/systemd/system/guestd.service"),
    await read(join(root, "LICENSE"), "usr/share/doc/guestd/copyright"),
  ];
  return { control: control(version), files, prerm: PRERM };
}

/** Removes the compile cache that root's guestctl writes into its package. */
const PRERM = `#!/bin/sh
set -e
rm -rf /${HOME}/node_modules/guestd/.cache
`;

/** Returns the program that runs guestctl with the package's own Node. */
function guestctl(path: string): PackageFile {
  return startProgram(path, "", `/${HOME}/bin/node /${HOME}/node_modules/guestd/bin/guestctl.js`);
}

/** Returns a file of an npm package at its place in the .deb, where the program of guestctl must not need a Node in PATH. */
function installed(folder: string, file: PackageFile): PackageFile {
  const path = `${folder}/${file.path}`;
  return file.path === "bin/guestctl" ? guestctl(path) : { ...file, path };
}

function control(version: string): Control {
  const qemu = process.arch === "arm64" ? "qemu-system-arm" : "qemu-system-x86";
  return {
    Package: "guestd",
    Version: version,
    Architecture: debianArchitecture(),
    Maintainer: "The guestd authors <guestd@localhost>",
    Depends: "libc6 (>= 2.28), libgcc-s1, libstdc++6, util-linux",
    // apt would install recommended packages with their own recommendations: QEMU's desktop, 366 packages in Debian 12.
    // guestctl setup installs QEMU without them.
    Suggests: qemu,
    Section: "admin",
    Priority: "optional",
    Description: "sandboxes in micro-VMs: guestctl, the guest, and its agent as a service",
  };
}
