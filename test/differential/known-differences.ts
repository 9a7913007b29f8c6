import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { SpecTemplate } from "./observer.ts";

export interface KnownDifference {
  readonly difference: RegExp;
  /** Limits the difference to some specs; `target` is the first group of the match. Absent: any spec. */
  readonly when?: (spec: SpecTemplate, target: string, exec?: Init<grpc.Process>) => boolean;
  readonly reason: string;
  /** Occurs only if the cgroup has controllers. */
  readonly needsLimits?: true;
}

const IDS = "(?:,uid=\\d+,gid=\\d+)?";

/**
 * Differences between guestd and crun 1.8 that are intended or don't matter. `npm test` shows that each still occurs.
 */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    difference: /^mount (\S+): (\S+ )r[ow][\w,]*(?: shared)?( - .*) \| \2r[ow][\w,]*(?: shared)?\3$/,
    when: (spec, target) => isIn(spec.Linux?.ReadonlyPaths, target),
    reason:
      "a read-only path keeps the other flags of the mount that it is cloned from, as with runc; crun 1.8 drops them",
  },
  {
    difference: /^mount (\S+): \/ ro[\w,]*(?: shared)?( - tmpfs sub .*) \| \/ rw[\w,]*(?: shared)?\2$/,
    when: (spec, target) => isIn(spec.Linux?.ReadonlyPaths, target.replace(/\/sub$/, "")),
    reason: "mounts below a read-only path are read-only too; crun and runc leave them writable",
  },
  {
    difference:
      /^mount (\S+): \/null rw,nosuid,relatime(?: shared)?( - .*) \| \/null ro(?:,nosuid)?,relatime(?: shared)?\2$/,
    when: (spec, target) => isIn(spec.Linux?.MaskedPaths, target),
    reason: "/dev/null over a masked file: writes to it have no effect, and runc doesn't make it read-only either",
  },
  {
    difference: new RegExp(
      `^mount (\\S+): / ro,nosuid,nodev,noexec,relatime(?: shared)? - tmpfs none rw(${IDS}) \\| / ro,relatime(?: shared)? - tmpfs tmpfs rw,size=0k\\2$`,
    ),
    when: (spec, target) => isIn(spec.Linux?.MaskedPaths, target),
    reason: "an empty read-only tmpfs both times; guestd's has more flags",
  },
  {
    difference: /^mounts: in another order$/,
    reason: "guestd, like runc, makes paths read-only before it masks others",
  },
  {
    difference: /^mount \/(?:sys\/fs\/cgroup|mnt\/cgroup): (.*) - cgroup2 cgroup rw \| \1 - cgroup2 cgroup2 rw$/,
    reason: "the source of a cgroup2 mount is the spec's text, which has no effect",
  },
  {
    difference: /^mount \/dev\/(?:pts|console): (\S+ rw).* - devpts (\S+) (rw,.*),max=256 \| \1.* - devpts \2 \3$/,
    reason: "guestd limits a container's ptys: the kernel counts them for all containers together",
  },
  {
    difference: /^fd [012]: (\/dev\/pts\/0 .*) 80002 \| \1 8002$/,
    reason:
      "F_GETFL of a pty opened by TIOCGPTPEER shows O_CLOEXEC, which is no status flag; F_GETFD says that it is not set",
  },
  {
    difference: /^fd [012]: (pipe: mode 10600) owner 0:0 (.*) \| \1 owner 0:\d+ \2$/,
    reason: "pipes are owned by the user if it isn't root, as with runc; crun also changes their group",
  },
  {
    difference: /^(?:root|tree) (\S+): mode 40[75]\d\d owner (.*) \| mode 41777 owner \2$/,
    when: (spec, target) => isTmpfs(spec, target),
    reason: "a tmpfs without a mode option has the mode of the directory that it covers, as with runc",
  },
  {
    difference: /^(?:root|tree) (\S+): mode 40755 owner (.*) \| mode 41755 owner \2$/,
    reason: "a directory created for a mount has no sticky bit, as with runc",
  },
  {
    difference: /^env: HOME=\/ \| $/,
    reason: "HOME of a user without an entry in /etc/passwd is /, as with runc; crun 1.8 sets none",
  },
  {
    difference: /^env: HOME=\/\S* \| HOME=$/,
    reason: "an empty HOME counts as unset, as with runc",
  },
  {
    difference: /^(?:tree|root) \S+: (mode \d+) owner \d+:65534 (.*) \| \1 owner 0:0 \2$/,
    when: inUser,
    reason: "a cgroup mounted writable belongs to the process's user, as the OCI spec says; with crun always to root",
  },
  {
    difference:
      /^mount \S+: (BASE\/sources\S* )r[ow]\S*(?: shared| unbindable)?( - .*) \| \1r[ow]\S*(?: shared| unbindable)?\2$/,
    when: inUser,
    reason: "a bind in a user namespace has its options; crun 1.8 drops most of them",
  },
  {
    difference: /^mounts?(?: \S+\/sub: .*|: \S+\/sub(?: ; \S+\/sub)*) \| $/,
    when: inUser,
    reason: "a recursive bind in a user namespace includes the mounts below it; crun 1.8 omits them",
  },
  {
    difference: /^mount \/dev\/(\w+): \/\1 rw,nosuid,relatime(.*) \| \/\1 rw,nosuid,noexec,relatime\2$/,
    when: inUser,
    reason:
      "a device that is bound into a user namespace has the flags that it has outside; a device is never executed",
  },
  {
    difference: /^hook \S+ state\.(?:ociVersion|root|status): /,
    reason: "the state on stdin has the OCI spec's version and statuses; crun 1.8 has others, and the root",
  },
  {
    difference: /^hook \S+ state\.pid: (?:1|absent) \| 0$/,
    reason: "the pid in the hook's pid namespace, and none after the process has ended, as with runc; crun has 0",
  },
  {
    difference: /^hook (?:createContainer|startContainer) state\.pid: "above 1" \| 0$/,
    when: hasPidPath,
    reason: "the same in a pid namespace that had processes before",
  },
  {
    difference: /^hook createContainer cwd: BASE\/ID \| BUNDLE$/,
    reason: "the rootfs, as with runc; the OCI spec doesn't define it",
  },
  {
    difference: /^hook startContainer state\.bundle: "BUNDLE" \| "\/.*"$/,
    reason: "the bundle as reported to all hooks, as with runc",
  },
  {
    difference: /^hook createContainer \S+: .* \| $/,
    when: (spec) => spec.Root?.Readonly === true,
    reason: "the root is read-only after these hooks, as with runc; with crun they can't write their file",
  },
  {
    difference: /^status (?:SigBlk|ShdPnd|SigPnd): 0000000000000000 \| 0000000000010000$/,
    when: (spec) => Object.values(spec.Hooks ?? {}).some((hooks) => hooks !== null && hooks?.length !== 0),
    reason: "after hooks crun 1.8 leaves SIGCHLD blocked",
  },
  {
    difference: /^cgroup \S+\/cpu\.weight(?:\.nice)?: \S+ \| \S+$/,
    when: (spec) => (spec.Linux?.Resources?.CPU?.Shares ?? 0) !== 0,
    needsLimits: true,
    reason: "cpu.weight by the formula of newer runtimes (docs/cgroups.md)",
  },
  {
    difference: /^cgroup \S+\/memory\.reclaim: Permission denied \| Invalid argument$/,
    when: inUser,
    needsLimits: true,
    reason: "crun gives the cgroup's files to a group of the container too, so CAP_DAC_OVERRIDE reaches them inside",
  },
  {
    difference: /^id session keyring: keyring;(\d+;\d+);3f030000;_ses \| keyring;\1;3f130000;ID$/,
    reason: "a session keyring without a name, so that no other container can join it by name",
  },
  {
    difference: /^mount \/made\/sub: \/ rw,nodev,noexec,relatime - (.*) \| \/ rw,noexec,relatime - \1$/,
    reason: "a bind keeps the flags of the mount that it is cloned from; crun and runc drop those not requested",
  },
  {
    difference: /^mount \S+: (\S+ \S+?)(?: shared| unbindable)?( - .*) \| \1(?: shared| unbindable)?\2$/,
    when: (spec) =>
      spec.Mounts?.some(({ options }) => options?.some((each) => /^(r?shared|unbindable)$/.test(each))) === true,
    reason: "a bind is shared or unbindable if its options say so, as with runc; crun 1.8 ignores them",
  },
  {
    // Twice below a read-only path, which crun binds over itself.
    difference:
      /^mounts?(?: \S+\/sub)?: {2}\| (?:(\/ r[\w,]+(?: shared)? - tmpfs sub rw,mode=755)(?: ; \1)?|(\S+\/sub)(?: ; \2)?)$/,
    when: (spec) =>
      spec.Mounts?.some(
        ({ options }) => options?.includes("bind") && options.some((each) => /^r(private|slave|shared)$/.test(each)),
      ) === true,
    reason: "rprivate, rslave and rshared make a bind recursive for crun, but not for runc",
  },
  {
    difference: /^mount \S+: (.*),nosymfollow(?: shared| unbindable)?( - .*) \| \1(?: shared)?\2$/,
    when: (spec) => spec.Mounts?.some(({ options }) => options?.includes("rnosymfollow")) === true,
    reason: "crun 1.8 drops rnosymfollow when it remounts",
  },
];

/** Returns the differences that are not known. `more` are known differences of this kind of comparison. */
export function unknownDifferences(
  lines: readonly string[],
  spec: SpecTemplate,
  more: readonly KnownDifference[] = [],
  exec?: Init<grpc.Process>,
): string[] {
  return lines.filter((line) => ![...KNOWN_DIFFERENCES, ...more].some((known) => isKnown(known, line, spec, exec)));
}

export function isKnown(
  { difference, when }: KnownDifference,
  line: string,
  spec: SpecTemplate,
  exec?: Init<grpc.Process>,
): boolean {
  const match = difference.exec(line);
  return match !== null && (when === undefined || when(spec, match[1] ?? "", exec));
}

/** The links in the probe's root file system. */
const LINKS: Readonly<Record<string, string>> = {
  "/full/link": "/full/other-file",
  "/full/link-to-dir": "/full/other",
};

function isIn(paths: readonly (string | null | undefined)[] | null | undefined, target: string): boolean {
  return paths?.some((path) => path === target || LINKS[path ?? ""] === target) === true;
}

function isTmpfs(spec: SpecTemplate, target: string): boolean {
  const tmpfs = spec.Mounts?.filter(({ type }) => type === "tmpfs") ?? [];
  return isIn(
    tmpfs.map(({ destination }) => destination),
    target,
  );
}

function hasPidPath(spec: SpecTemplate): boolean {
  return spec.Linux?.Namespaces?.some(({ Type, Path }) => Type === "pid" && Path !== undefined) === true;
}

export function inUser(spec: SpecTemplate): boolean {
  return spec.Linux?.Namespaces?.some(({ Type }) => Type === "user") === true;
}
