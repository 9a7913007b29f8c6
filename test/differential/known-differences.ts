/** Differences between guestd and crun 1.8 that are meant, or that mean nothing. */
export const KNOWN_DIFFERENCES: readonly { readonly difference: RegExp; readonly reason: string }[] = [
  {
    difference: /^mount \/proc\/(bus|sys): .* ro,nosuid,nodev,noexec,relatime .* \| .* ro,relatime /,
    reason:
      "a read-only path keeps the other flags of the mount that it is cloned from, as with runc; crun 1.8 drops them",
  },
  {
    difference: /^mount \/proc\/keys: \/null rw,nosuid,relatime .* \| \/null ro,relatime /,
    reason: "/dev/null over a masked file: writing to it is nothing, and runc does not make it read-only either",
  },
  {
    difference:
      /^mount \/sys\/firmware: \/ ro,nosuid,nodev,noexec,relatime - tmpfs none rw \| \/ ro,relatime - tmpfs tmpfs rw,size=0k/,
    reason: "an empty read-only tmpfs both times; guestd's has more flags",
  },
  {
    difference: /^mounts in order: in another order$/,
    reason: "guestd, as runc, makes paths read-only before it masks others",
  },
  {
    difference: /^mount \/sys\/fs\/cgroup: .* - cgroup2 cgroup rw \| .* - cgroup2 cgroup2 rw$/,
    reason: "the source of a cgroup2 mount is the spec's text, which means nothing",
  },
  {
    difference: /^mount \/dev\/(pts|console): .* - devpts none rw,.* \| .* - devpts devpts rw,/,
    reason: "guestd makes the devpts of a container with a terminal itself, without a source, which would mean nothing",
  },
  {
    difference: /^fd [012]: (\/dev\/pts\/0 .*) 80002 \| \1 8002$/,
    reason:
      "F_GETFL of a pty opened by TIOCGPTPEER shows O_CLOEXEC, which is no status flag; F_GETFD says that it is not set",
  },
  {
    difference: /^root \/data: mode 40755 .* \| mode 41777 /,
    reason: "a tmpfs without a mode option has the mode of the directory that it covers, as with runc",
  },
];
