import { BuildError } from "../build-error.ts";

const DEBIAN = new Map([
  ["x64", "amd64"],
  ["arm64", "arm64"],
]);

/** Returns Debian's name for this machine's architecture, which is also the guest's. */
export function debianArchitecture(): string {
  const name = DEBIAN.get(process.arch);
  if (name === undefined) throw new BuildError(`architecture ${process.arch}: images are built for x64 and arm64 only`);
  return name;
}
