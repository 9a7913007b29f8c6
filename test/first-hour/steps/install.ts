import type { HourStep } from "../step.ts";

const IMAGE = "/usr/lib/guestd/node_modules/guestd-guest-linux-*/busybox.tar";

/** From the .deb to hello. */
export const INSTALL: readonly HourStep[] = [
  {
    name: "`sudo apt-get install ./guestd.deb`",
    shows: "the .deb installs",
    script: "sudo apt-get -q install --yes ./guestd.deb >log 2>&1 || { cat log >&2; exit 1; }; guestctl --version",
    prints: /^guestctl \d+\.\d+\.\d+\n$/,
  },
  {
    name: "`guestctl setup --yes`",
    shows: "QEMU and a kernel are installed with sudo",
    script: "guestctl setup --yes",
    prints: /ready; try: guestctl run \S+ echo hello\n$/,
    limit: 900,
  },
  {
    name: "`guestctl doctor`",
    shows: "nothing is missing",
    script: "guestctl doctor | grep -c '^missing' || true",
    prints: "0\n",
  },
  {
    name: "`guestctl run busybox.tar echo hello`",
    shows: "hello",
    script: `guestctl run ${IMAGE} echo hello`,
    prints: "hello\n",
  },
];
