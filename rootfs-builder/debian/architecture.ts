import { BuildError } from "../build-error.ts";

const DEBIAN = new Map([
  ["x64", "amd64"],
  ["arm64", "arm64"],
]);

/** Debian's name of this machine's architecture, which is the guest's as well. */
export function debianArchitecture(): string {
  const name = DEBIAN.get(process.arch);
  if (name === undefined) throw new BuildError(`architecture ${process.arch}: images are built for x64 and arm64 only`);
  return name;
}
