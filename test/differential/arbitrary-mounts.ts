import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "../scenarios/oci.ts";
import { seldom, subset } from "./arbitrary-parts.ts";

type Mount = Init<grpc.Mount>;

const FLAGS = ["nosuid", "nodev", "noexec", "ro"];
const TIMES = ["noatime", "relatime", "strictatime", "nodiratime"];
const flags = fc.tuple(subset(FLAGS), seldom(subset(TIMES, 1))).map((parts) => parts.flat());

/** Targets that are missing, that exist, and through a link. Only a tmpfs has other targets inside it. */
const TARGETS = ["/mnt/a/b", "/made/c", "/full/dir", "/full/empty", "/full/link-to-dir", "/tmp"];
const directory = fc.constantFrom(...TARGETS);
const file = fc.constantFrom("/mnt/file", "/made/d/file", "/full/file", "/full/link");

const tmpfs: fc.Arbitrary<Mount> = fc.record({
  destination: fc.constantFrom("/mnt", ...TARGETS),
  type: fc.constant("tmpfs"),
  source: fc.constantFrom("tmpfs", "some name"),
  options: fc
    .tuple(flags, subset(["mode=1777", "mode=700"], 1), subset(["size=64k", "nr_inodes=100"]), subset(["tmpcopyup"]))
    .map((parts) => parts.flat()),
});

const propagation = subset(["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable"], 1);
const below = subset(["rro", "rnosuid", "rnodev", "rnoexec", "rnosymfollow"], 2);

const bind = (
  source: string,
  destination: fc.Arbitrary<string>,
  recursive: fc.Arbitrary<string[]>,
): fc.Arbitrary<Mount> =>
  fc.record({
    destination,
    type: fc.constantFrom("bind", "none"),
    source: fc.constant(source),
    options: fc
      .tuple(fc.constantFrom(["bind"], ["rbind"]), flags, seldom(propagation), recursive)
      .map((parts) => parts.flat()),
  });

const other: fc.Arbitrary<Mount> = fc.constantFrom(
  { destination: "/mnt/queues", type: "mqueue", source: "mqueue", options: ["nosuid"] },
  { destination: "/mnt/cgroup", type: "cgroup2", source: "cgroup", options: ["ro"] },
);

/** Mounts after the usual ones. */
const more = fc.uniqueArray(
  fc.oneof(
    { weight: 3, arbitrary: tmpfs },
    { weight: 2, arbitrary: bind("SOURCES/dir", directory, seldom(below)) },
    { weight: 2, arbitrary: bind("SOURCES/nested", directory, seldom(below)) },
    { weight: 2, arbitrary: bind("SOURCES/file", file, fc.constant([])) },
    { weight: 1, arbitrary: other },
  ),
  // The kernel mounts one cgroup2 only once in one place.
  { maxLength: 4, selector: ({ type, destination }) => `${type} ${destination}` },
);

const usual: readonly Mount[] = ociSpec("/", []).Mounts ?? [];
const cgroup: Mount = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [] };

/** The usual mounts with other options, then more. The last usual one shows the container's cgroup. */
export const arbitraryMounts: fc.Arbitrary<Mount[]> = fc
  .record({ readonlySys: fc.boolean(), devMode: fc.constantFrom("mode=755", "mode=711"), cgroupOptions: flags, more })
  .map((given) => [
    ...usual.map((mount) => {
      const options = (mount.options ?? []).filter(
        (option) => given.readonlySys || mount.type !== "sysfs" || option !== "ro",
      );
      return { ...mount, options: options.map((option) => (option === "mode=755" ? given.devMode : option)) };
    }),
    { ...cgroup, options: given.cgroupOptions },
    ...given.more,
  ]);
